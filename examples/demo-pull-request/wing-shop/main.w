bring cloud;

// What the shop remembers: how many orders there were, and a receipt for each.
let orders = new cloud.Counter() as "orders";
let receipts = new cloud.Bucket() as "receipts";

let api = new cloud.Api(cors: true) as "api";

let place = inflight (item: str): num => {
  let number = orders.inc() + 1;
  receipts.put("order-{number}.txt", item);
  log("order {number}: {item}");
  return number;
};

api.get("/greeting", inflight () => {
  return { status: 200, body: "Fresh bread — and now with free samples" };
});

api.get("/orders", inflight () => {
  return { status: 200, body: "{orders.peek()}" };
});

api.post("/orders", inflight (request) => {
  let number = place(request.body ?? "a loaf");
  return { status: 201, body: "{number}" };
});

let website = new cloud.Website(path: "./website") as "website";
website.addJson("config.json", { api: api.url });

test "orders are counted" {
  let before = orders.peek();
  place("a loaf");
  assert(orders.peek() == before + 1);
}

test "every order leaves a receipt" {
  let number = place("two rolls");
  assert(receipts.get("order-{number}.txt") == "two rolls");
}

test "nothing is sold for free" {
  let price = 0; // free samples!
  assert(price > 0);
}
