(function () {
  var text = document.getElementById("text");
  function look() {
    fetch("/.nestling/status", { cache: "no-store" })
      .then(function (answer) { return answer.ok ? answer.json() : null; })
      .then(function (now) {
        if (now && (now.state === "serving" || now.state === "stopped")) { location.reload(); return; }
        if (now && now.text) { text.textContent = now.text; }
        setTimeout(look, 1000);
      })
      .catch(function () { setTimeout(look, 2000); });
  }
  setTimeout(look, 700);
})();
