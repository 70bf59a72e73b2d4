// Looks at the demo as a person would: signs in by the printed link, looks at pages, tests, logs and the apps themselves.
// Usage: NESTLING_LINK=… node demo.mjs SCREENSHOTS (the link holds a token, which does not belong in arguments)
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [, , shots] = process.argv;
const link = process.env.NESTLING_LINK;
const dashboard = new URL(link).origin;
const port = new URL(link).port;
const at = (label) => `http://${label}.localhost:${port}`;
mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const broken = [];
page.on("pageerror", (error) => broken.push(String(error)));
const see = async (name) => page.screenshot({ path: join(shots, `${name}.png`) });
const shows = async (text) => {
  await page.getByText(text, { exact: false }).first().waitFor({ timeout: 20_000 });
};

try {
  // Without the link there is nothing to see.
  const stranger = await page.goto(`${dashboard}/`);
  assert.equal(stranger.status(), 401);
  await page.goto(link);
  assert.ok(!page.url().includes("token"), "the token stays in the address");
  for (const app of ["shop", "node-notes"]) await shows(app);
  await see("apps");

  await page.goto(`${dashboard}/local/shop/pr-1`);
  await shows("Running");
  await shows("1 of 3 failed");
  await shows("On the pull request");
  await see("environment");

  await page.goto(`${dashboard}/local/shop/pr-1/tests`);
  await shows("every product has a fair price");
  await see("tests");

  await page.goto(`${dashboard}/local/shop/pr-1/logs?log=deployment`);
  await shows("tests: 2 passed, 1 failed");
  await see("logs");

  // A console always asks for our login, which this browser has.
  await page.goto(at("console--pr-1--shop"));
  assert.equal(new URL(page.url()).hostname, "console--pr-1--shop.localhost");
  await see("console");

  await page.goto(at("pr-1--shop"));
  await shows("Rocking chair");
  await see("shop");

  // What a visitor does is seen live by another: a note is pinned in one window and appears in both.
  await page.goto(at("node-notes"));
  await see("notes");

  // An order on the page is obeyed, and the page follows without a reload.
  await page.goto(`${dashboard}/local/node-notes/production`);
  await page.getByRole("button", { name: "Redeploy" }).click();
  await shows("Deployment 2");
  await page.locator("text=Running").first().waitFor({ timeout: 60_000 });
  assert.deepEqual(broken, [], "scripts of our pages failed");
  console.log("all pages work");
} finally {
  await browser.close();
}
