bring cloud;

// A little shop: a website, the API behind it, a counter for the orders and a bucket for the receipts.
let orders = new cloud.Counter() as "orders";
let receipts = new cloud.Bucket() as "receipts";

struct Product {
  id: str;
  name: str;
  price: num;
}

let products: Array<Product> = [
  { id: "mug", name: "Enamel mug", price: 14 },
  { id: "lamp", name: "Desk lamp", price: 39 },
  { id: "plant", name: "Small plant", price: 9 }
];

let api = new cloud.Api(cors: true);

let website = new cloud.Website(path: "./website");
website.addJson("config.json", { api: api.url });

let priceOf = inflight (id: str): num => {
  for product in products {
    if product.id == id {
      return product.price;
    }
  }
  throw "there is no product {id}";
};

let order = inflight (id: str): num => {
  let price = priceOf(id);
  let number = orders.inc() + 1;
  receipts.put("receipt-{number}.txt", "one {id}: {price} euros");
  log("order {number}: {id}");
  return number;
};

api.get("/products", inflight () => {
  return { status: 200, headers: { "content-type" => "application/json" }, body: Json.stringify(products) };
});

api.get("/orders", inflight () => {
  return { status: 200, headers: { "content-type" => "application/json" }, body: Json.stringify({ count: orders.peek() }) };
});

api.post("/orders/:id", inflight (request) => {
  let number = order(request.vars.get("id"));
  return { status: 201, headers: { "content-type" => "application/json" }, body: Json.stringify({ number: number }) };
});

test "an order is counted" {
  order("mug");
  order("lamp");
  assert(orders.peek() == 2);
}

test "an order leaves a receipt" {
  let number = order("plant");
  assert(receipts.get("receipt-{number}.txt") == "one plant: 9 euros");
}

test "every product has a fair price" {
  for product in products {
    log("{product.name} costs {product.price}");
    assert(product.price > 0);
    assert(product.price < 50);
  }
}
