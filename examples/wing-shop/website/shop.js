const show = (id, text) => (document.getElementById(id).textContent = text);

const { api } = await (await fetch("config.json")).json();

const text = async (path, options) => {
  const answer = await fetch(api + path, options);
  if (!answer.ok) throw new Error(`the shop answered ${answer.status}`);
  return answer.text();
};

const refresh = async () => show("orders", await text("/orders"));

document.getElementById("order").addEventListener("click", async () => {
  try {
    show("answer", `Order ${await text("/orders", { method: "POST", body: "a loaf" })} is in the oven.`);
    await refresh();
  } catch (error) {
    show("answer", String(error));
  }
});

show("greeting", await text("/greeting"));
await refresh();
