const { api } = await (await fetch("config.json")).json();
const icons = { mug: "☕", lamp: "💡", plant: "🌱" };

async function showOrders() {
  const { count } = await (await fetch(`${api}/orders`)).json();
  document.querySelector("#orders").value = count === 1 ? "1 order so far." : `${count} orders so far.`;
}

async function order(product) {
  const answer = await fetch(`${api}/orders/${product.id}`, { method: "POST" });
  const { number } = await answer.json();
  document.querySelector("#said").textContent = `Thank you! Order ${number}: ${product.name}.`;
  await showOrders();
}

for (const product of await (await fetch(`${api}/products`)).json()) {
  const item = document.createElement("li");
  const icon = document.createElement("span");
  icon.textContent = icons[product.id] ?? "🎁";
  const name = document.createElement("h2");
  name.textContent = product.name;
  const button = document.createElement("button");
  button.textContent = `Order for €${product.price}`;
  button.onclick = () => order(product);
  item.append(icon, name, button);
  document.querySelector("#products").append(item);
}
await showOrders();
