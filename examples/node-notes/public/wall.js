const list = document.getElementById("notes");

const pin = (note, first = true) => {
  const item = document.createElement("li");
  item.textContent = note.text;
  first ? list.prepend(item) : list.append(item);
};

document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = document.getElementById("text");
  await fetch("api/notes", { method: "POST", body: field.value });
  field.value = "";
});

const about = await (await fetch("api/about")).json();
document.getElementById("about").textContent = `${about.environment} ${about.branch} ${about.commit.slice(0, 7)}`;
for (const note of await (await fetch("api/notes")).json()) pin(note, false);
new EventSource("events").onmessage = (event) => pin(JSON.parse(event.data));
