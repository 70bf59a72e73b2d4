// Makes the GitHub App as a person would: on the dashboard, at GitHub (a model of it), and back; then installs it.
// Usage: NESTLING_LINK=… node set-up.mjs SCREENSHOTS (the link holds a token, which does not belong in arguments)
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [, , shots] = process.argv;
const link = process.env.NESTLING_LINK;
const dashboard = new URL(link).origin;
mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const broken = [];
page.on("pageerror", (error) => broken.push(String(error)));
// What the policy of our pages keeps a browser from doing is told there.
page.on("console", (message) => { if (/Content Security Policy/.test(message.text())) broken.push(message.text()); });
const see = async (name) => {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(shots, `${name}-${colorScheme}.png`) });
  }
};
const shows = async (text) => page.getByText(text).first().waitFor({ timeout: 20_000 });
const comesTo = async (path) => {
  await page.waitForURL((url) => url.origin === dashboard && url.pathname === path, { timeout: 20_000 });
};

try {
  await page.goto(link);
  await shows("There is no GitHub App yet");
  await shows("GitHub cannot tell the server what happens");
  await see("set-up");

  // A name that GitHub would not take is said before anybody goes there.
  await page.getByLabel("Organisation that owns it").fill("../acme");
  await page.getByRole("button", { name: "Create the GitHub App" }).click();
  await shows("the owner is no organisation of GitHub");
  assert.equal(await page.getByLabel("Organisation that owns it").inputValue(), "../acme", "what was typed is lost");

  await page.getByLabel("Name of the App").fill("Nestling of Acme");
  await page.getByLabel("Organisation that owns it").fill("acme");
  await page.getByRole("button", { name: "Create the GitHub App" }).click();
  await page.getByRole("button", { name: "Create GitHub App for acme" }).click({ timeout: 20_000 });
  await comesTo("/-/github");
  await shows("Nestling of Acme is in use");
  assert.ok(!page.url().includes("code="), "the code stays in the address");
  await see("set-up-done");

  await page.getByRole("link", { name: "Install it" }).click();
  await page.getByRole("button", { name: "Install on acme" }).click({ timeout: 20_000 });
  await comesTo("/");
  await shows("acme/shop");
  await see("set-up-installed");
  assert.deepEqual(broken, [], "our pages failed");
  console.log("the App is made and installed");
} finally {
  await browser.close();
}
