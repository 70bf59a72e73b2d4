// What pages do beyond being pages: follow changes, count time, stream logs, copy. Every page works without it.
"use strict";
(() => {
  const DEBOUNCE = 50; // ms: events come in bursts, one look answers them all
  const RETRY = [500, 1000, 2000, 5000, 10000, 30000]; // ms between attempts to connect
  const RING = 10000; // log lines kept in the page
  const CHUNK = 200; // lines that are laid out, skipped while out of sight, and dropped together
  const PER_FRAME = 250; // log lines put into the page per frame, so that typing and scrolling stay smooth
  const body = document.body;
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("scripted");

  // --- a form that only leads on, to another server
  for (const form of $$("form[data-hand-over]")) form.submit();

  // --- time: the server's clock, as of the last answer, and ours only for how long that is ago
  let skew = 0;
  const setClock = (now) => { if (now) skew = Number(now) - Date.now(); };
  const now = () => Date.now() + skew;
  setClock(body.dataset.now);

  const span = (ms) => {
    const s = Math.floor(ms / 1000);
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
  };
  const age = (at) => {
    const s = Math.max(0, Math.floor((now() - at) / 1000));
    if (s < 10) return "just now";
    if (s < 60) return `${s} s ago`;
    if (s < 3600) return `${Math.floor(s / 60)} min ago`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
    if (s < 172800) return "yesterday";
    if (s < 2592000) return `${Math.floor(s / 86400)} days ago`;
    return new Date(at).toISOString().slice(0, 10);
  };
  const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const tick = () => {
    for (const one of $$("[data-since]")) say(one, span(Math.max(0, now() - Number(one.dataset.since))));
    for (const one of $$("[data-ago]")) say(one, age(Number(one.dataset.ago)));
  };

  // --- morph: makes `old` like `fresh` and leaves alone what is alike, so that focus, scroll, selection
  // and open folds stay. Elements with an id are found again by it.
  const kept = (one) => {
    if (one.tagName === "DETAILS") return ["open"];
    // Whether "Copy" shows is ours to say: hiding it for a moment would take the focus from it.
    if (one.dataset && "copy" in one.dataset) return ["hidden"];
    // What a person typed stays. A hidden field is ours, and must follow the form it is in.
    if (one.tagName === "INPUT" && one.type !== "hidden") return ["value", "checked"];
    return [];
  };
  const morph = (old, fresh) => {
    const keep = kept(old);
    for (const { name, value } of [...fresh.attributes]) {
      if (!keep.includes(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !keep.includes(name)) old.removeAttribute(name);
    }
    let at = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      let match = at;
      if (wanted.id) {
        match = [...old.children].find((one) => one.id === wanted.id) || null;
        if (match && match !== at) old.insertBefore(match, at);
        else if (!match && at && !at.id) match = alike(at, wanted) ? at : null;
      } else if (at && at.id) match = null;
      if (match && alike(match, wanted)) {
        if (match.nodeType === 1) morph(match, wanted);
        else if (match.data !== wanted.data) match.data = wanted.data;
        at = match.nextSibling;
      } else old.insertBefore(document.importNode(wanted, true), at);
    }
    while (at) { const next = at.nextSibling; at.remove(); at = next; }
  };
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  // --- live: any event means "look again"; the look is this page's own fragment
  let looking = null, again = false, timer = 0;
  const look = () => { clearTimeout(timer); timer = setTimeout(fetchFragment, DEBOUNCE); };
  const fetchFragment = async () => {
    if (looking) { again = true; return; }
    looking = true;
    try {
      const address = new URL(location.href);
      address.searchParams.set("fragment", "1");
      const answer = await fetch(address, { credentials: "same-origin", headers: { accept: "text/html" } });
      if (answer.status === 401 || answer.status === 403 || answer.status === 404) return void location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const root = $("[data-fragment]", fresh);
      if (!root) return;
      setClock(root.dataset.now);
      for (const region of $$("[data-live]", root)) {
        const old = document.getElementById(region.id);
        if (old) morph(old, region);
      }
      ready();
    } catch {
      timer = setTimeout(fetchFragment, RETRY[2]);
    } finally {
      looking = false;
      if (again) { again = false; look(); }
    }
  };

  const sign = $("#connection");
  const connection = (state, text) => {
    if (!sign) return;
    sign.hidden = false;
    sign.className = `connection ${state}`;
    say($("span", sign), text);
  };
  let attempts = 0, seen = new Map();
  const connect = () => {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/live`);
    socket.onopen = () => socket.send(JSON.stringify({ subscribe: body.dataset.topics.split(" ") }));
    socket.onmessage = ({ data }) => {
      let frame;
      try { frame = JSON.parse(data); } catch { return; }
      const last = seen.get(frame.topic);
      seen.set(frame.topic, { epoch: frame.epoch, seq: frame.seq });
      if ("snapshot" in frame) {
        attempts = 0;
        connection("live", "Live");
        // What happened between the page and this subscription is in neither: look, unless nothing did.
        if (!last || last.epoch !== frame.epoch || last.seq !== frame.seq) look();
        return;
      }
      // An event, a touch, or a gap in the numbers: all mean the same, as a look shows everything.
      look();
    };
    socket.onclose = () => {
      connection("lost", "Reconnecting");
      const wait = RETRY[Math.min(attempts++, RETRY.length - 1)];
      setTimeout(connect, wait * (0.75 + Math.random() / 2));
    };
  };

  // --- colours of terminals: the same list as the server's, and text for everything else
  const nearest = (r, g, b) => {
    const most = Math.max(r, g, b);
    return most < 48 ? 8 : (r * 2 > most ? 1 : 0) | (g * 2 > most ? 2 : 0) | (b * 2 > most ? 4 : 0);
  };
  const extended = (codes) => {
    const how = codes.shift();
    if (how === 5) {
      const n = codes.shift();
      if (!(n >= 0 && n <= 255)) return null;
      if (n < 16) return n;
      if (n < 232) return nearest(Math.floor((n - 16) / 36) * 51, Math.floor((n - 16) / 6) % 6 * 51, (n - 16) % 6 * 51);
      return n < 244 ? 8 : 7;
    }
    if (how !== 2) return null;
    const [r, g, b] = [codes.shift(), codes.shift(), codes.shift()];
    return [r, g, b].every((part) => part >= 0 && part <= 255) ? nearest(r, g, b) : null;
  };
  const apply = (look, text) => {
    const codes = text.split(/[;:]/).map((code) => (code === "" ? 0 : /^\d{1,3}$/.test(code) ? Number(code) : -1));
    while (codes.length) {
      const code = codes.shift();
      if (code === 0) look = {};
      else if (code >= 1 && code <= 4) look["bfiu"[code - 1]] = true;
      else if (code === 22) { delete look.b; delete look.f; }
      else if (code === 23) delete look.i;
      else if (code === 24) delete look.u;
      else if (code >= 30 && code <= 37) look.ink = code - 30;
      else if (code >= 90 && code <= 97) look.ink = code - 82;
      else if (code === 38) look.ink = extended(codes) ?? look.ink;
      else if (code === 39) delete look.ink;
      else if (code >= 40 && code <= 47) look.paper = code - 40;
      else if (code >= 100 && code <= 107) look.paper = code - 92;
      else if (code === 48) look.paper = extended(codes) ?? look.paper;
      else if (code === 49) delete look.paper;
    }
    return look;
  };
  // One match: a CSI sequence, a string for the terminal, a character set, or a lone escape.
  const ESCAPES = /\x1b(?:\[([^\x40-\x7e]*)([\x40-\x7e]|$)|[\]P_^X][^\x07\x1b]*(?:\x07|\x1b\\|\x1b|$)|[()#%].?|[^]?)/g;
  const clean = (text) => text.replace(/\t/g, "    ").replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd").replace(/[\x00-\x1f\x7f-\x9f]/g, "");
  const paint = (into, text) => {
    let look = {}, at = 0;
    const put = (piece) => {
      piece = clean(piece);
      if (!piece) return;
      const classes = [..."bfiu"].filter((one) => look[one]).map((one) => `sgr-${one}`);
      if (look.ink !== undefined && look.ink !== null) classes.push(`ink-${look.ink}`);
      if (look.paper !== undefined && look.paper !== null) classes.push(`paper-${look.paper}`);
      if (!classes.length) return void into.append(piece);
      const run = document.createElement("span");
      run.className = classes.join(" ");
      run.textContent = piece;
      into.append(run);
    };
    for (const match of text.matchAll(ESCAPES)) {
      put(text.slice(at, match.index));
      at = match.index + match[0].length;
      if (match[2] === "m") look = apply({ ...look }, match[1]);
    }
    put(text.slice(at));
  };

  // --- logs
  const follow = (log) => {
    let following = true, waiting = [], frame = 0, last = log.dataset.last === undefined ? -1 : Number(log.dataset.last), wanted = "";
    const button = $(`[data-follow="${log.id}"]`), find = $(`[data-find="${log.id}"]`), found = $("#found");
    let top = 0;
    const toEnd = () => { log.scrollTop = log.scrollHeight; top = log.scrollTop; };
    const setFollowing = (on) => {
      following = on;
      button.setAttribute("aria-pressed", String(on));
      say($("span", button), on ? "Pause" : "Follow");
      if (on) toEnd();
    };
    const make = (line) => {
      const row = document.createElement("div"), time = document.createElement("time"), text = document.createElement("span");
      row.className = line.from === "err" ? "line err" : line.from === "runner" ? "line runner" : "line";
      const at = new Date(Number(line.at) || 0);
      time.textContent = Number.isNaN(at.valueOf()) ? "" : at.toISOString().slice(11, 19);
      text.className = "text";
      paint(text, String(line.text ?? ""));
      row.append(time, text);
      row.hidden = wanted !== "" && !text.textContent.toLowerCase().includes(wanted);
      return row;
    };
    const put = (row) => {
      let chunk = log.lastElementChild;
      if (!chunk || chunk.childElementCount >= CHUNK) {
        chunk = document.createElement("div");
        chunk.className = "chunk";
        log.append(chunk);
      }
      chunk.append(row);
    };
    const flush = () => {
      frame = 0;
      if (waiting.length > RING) waiting = waiting.slice(-RING);
      for (const line of waiting.splice(0, PER_FRAME)) put(make(line));
      while (log.childElementCount > RING / CHUNK) log.firstElementChild.remove();
      if (following) toEnd();
      if (wanted) count();
      if (waiting.length) frame = requestAnimationFrame(flush);
    };
    const count = () => say(found, wanted ? `${$$(".line:not([hidden])", log).length} lines` : "");
    const search = () => {
      wanted = find.value.trim().toLowerCase();
      for (const row of $$(".line", log)) row.hidden = wanted !== "" && !row.lastElementChild.textContent.toLowerCase().includes(wanted);
      count();
      if (following) toEnd();
    };
    if (find) {
      find.closest("[data-script]").hidden = false;
      let pause = 0;
      find.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(search, 100); });
    }
    const there = [...log.children];
    log.replaceChildren();
    there.forEach(put);
    toEnd();
    if (!log.dataset.stream) return;
    button.hidden = false;
    button.addEventListener("click", () => setFollowing(!following));
    log.addEventListener("scroll", () => {
      // Only a person scrolls up; heights that become known, and lines that go, move the end and not the wish.
      const up = log.scrollTop < top - 4, atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
      top = log.scrollTop;
      if (following && up && !atEnd) setFollowing(false);
      else if (!following && atEnd) setFollowing(true);
    }, { passive: true });
    const stream = new EventSource(`${log.dataset.stream}&from=${last + 1}`);
    // The deployment is over: nothing follows, and asking again would only repeat it. What came of it stands above.
    stream.addEventListener("end", () => { stream.close(); button.hidden = true; look(); });
    stream.onmessage = ({ data }) => {
      let line;
      try { line = JSON.parse(data); } catch { return; }
      if (!(line.n > last)) return; // a reconnected stream may repeat
      last = line.n;
      const empty = $("#log-empty");
      if (empty) empty.hidden = true;
      waiting.push(line);
      if (!frame) frame = requestAnimationFrame(flush);
    };
  };

  // --- small things
  const filter = (input) => {
    const wanted = input.value.trim().toLowerCase(), all = $$(input.dataset.filter);
    for (const one of all) one.hidden = !one.dataset.search.includes(wanted);
    const none = $("[data-no-match]");
    if (none) none.hidden = all.length === 0 || all.some((one) => !one.hidden);
  };
  const ready = () => {
    if (navigator.clipboard) for (const one of $$("[data-copy]")) one.hidden = false;
    for (const one of $$("[data-filter]")) filter(one);
    tick();
  };
  document.addEventListener("input", ({ target }) => { if (target.dataset && target.dataset.filter) filter(target); });
  document.addEventListener("change", ({ target }) => { if (target.dataset && "submit" in target.dataset) target.form.submit(); });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.confirm && !confirm(form.dataset.confirm)) return void event.preventDefault();
    // Once the browser has taken the form's data: a second press would order the same again.
    setTimeout(() => { for (const one of $$("button", form)) one.disabled = true; }, 0);
  });
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest && target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      say($("span", button), "Copied");
    } catch { say($("span", button), "Not allowed"); }
    setTimeout(() => say($("span", button), "Copy"), 1500);
  });
  // A page that comes back from the browser's own cache shows what was: its buttons must work again.
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    for (const one of $$("button[disabled]")) one.disabled = false;
    look();
  });

  ready();
  setInterval(tick, 1000);
  for (const log of $$("#log-lines")) follow(log);
  if (body.dataset.topics && "WebSocket" in window) connect();
})();
