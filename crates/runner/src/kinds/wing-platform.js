// A Wing platform that gives every endpoint its public address, so that the app sees the one that people
// use. In tests the local ones stay.
const { createHash } = require("node:crypto");

const ENDPOINT = "@winglang/sdk.cloud.Endpoint";
const LONGEST = 32;
const HASHED = 4;

// A name from a resource's path: `root/Default/cloud.Api/Endpoint` becomes `cloud-api`.
function nameFor(path, taken) {
  const short = path.replace(/^root\/(Default\/)?/, "").replace(/\/Endpoint$/, "");
  const clean = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  const name = clean(clean(short).slice(0, LONGEST));
  if (name && !taken.has(name) && !/^pr-\d+$/.test(name)) return name;
  const hash = createHash("sha256").update(path).digest("hex").slice(0, HASHED);
  return clean(`${name || "endpoint"}-${hash}`);
}

class Platform {
  constructor() {
    this.target = "sim";
    this.taken = new Set(["console", "app"]);
  }

  newInstance(type, scope, id, url, props) {
    const template = process.env.NESTLING_ENDPOINT_URL;
    if (type !== ENDPOINT || !template) return undefined;
    const { App } = require("@winglang/sdk/lib/core");
    if (App.of(scope).isTestEnvironment) return undefined;
    const { Endpoint } = require("@winglang/sdk/lib/target-sim/endpoint");
    const endpoint = new Endpoint(scope, id, url, props);
    const name = nameFor(endpoint.node.path, this.taken);
    this.taken.add(name);
    endpoint._url = template.replace("{endpoint}", name);
    return endpoint;
  }
}

module.exports = { Platform, nameFor };
