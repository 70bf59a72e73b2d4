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
const size = { viewport: { width: 1280, height: 900 } };
const page = await browser.newPage(size);
// Somebody else: a window without our cookies.
const visitor = () => browser.newPage(size);
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

  // The log of the running app is open in one window, and two others look at its notes.
  await page.goto(`${dashboard}/local/node-notes/pr-1/logs?log=runtime`);
  await shows("notes are served on port");
  const [ann, bob] = [await visitor(), await visitor()];
  for (const window of [ann, bob]) {
    await window.goto(at("pr-1--node-notes"));
    await window.getByText("live since").waitFor({ timeout: 20_000 });
  }
  await ann.getByPlaceholder("Something to remember").fill("Water the plants");
  await ann.getByRole("button", { name: "Add" }).click();
  // A note that one adds is seen by the other, and its line arrives in the log: neither page is loaded again.
  for (const window of [ann, bob]) await window.getByText("Water the plants").waitFor({ timeout: 20_000 });
  await shows("note 1 was added");
  assert.equal(await page.getByText("note 1 was added").count(), 1, "the line is there once");
  await see("live-log");
  await bob.screenshot({ path: join(shots, "notes.png") });
  // State is the environment's own: production has no such note.
  await bob.goto(at("node-notes"));
  await bob.getByText("live since").waitFor({ timeout: 20_000 });
  assert.equal(await bob.getByText("Water the plants").count(), 0, "production shows a note of the preview");

  // The shop sells: what is ordered is counted by the app's own API behind the gateway.
  await ann.goto(at("pr-1--shop"));
  await ann.getByText("Rocking chair").waitFor({ timeout: 20_000 });
  await ann.getByRole("button", { name: "Order for €129" }).click();
  await ann.getByText("1 order so far").waitFor({ timeout: 20_000 });
  await ann.screenshot({ path: join(shots, "shop.png") });

  // A console always asks for our login, which this browser has and a visitor has not.
  const refused = await ann.goto(at("console--pr-1--shop"));
  assert.equal(refused.status(), 401);
  await page.goto(at("console--pr-1--shop"));
  assert.equal(new URL(page.url()).hostname, "console--pr-1--shop.localhost");
  for (const text of ["POST /orders/:id", "every product has a fair price", "success"]) await shows(text);
  await see("console");

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
