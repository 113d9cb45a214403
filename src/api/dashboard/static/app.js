// Live updates of open pages, and links and filters that do not reload the page. Every page works without this script.
//
// To update a page, the script fetches it again and replaces the parts ([data-part]) that differ. The focus and open
// details are kept.

const main = document.getElementById("main");
const announcer = document.getElementById("announcer");
const POLL = 1_000 * (main.dataset.poll || 15), MAX_POLL = 120_000, RELATIVE_TIMES = 60_000, DEBOUNCE = 250;

// Stores the time zone of the browser in a cookie, because only a script can read it. Returns whether it changed.
function storeZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || document.cookie.split("; ").includes(`credit_ledger_zone=${zone}`)) return false;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `credit_ledger_zone=${zone}; path=${document.documentElement.dataset.root}; max-age=31536000; samesite=lax${secure}`;
  return !new URLSearchParams(location.search).has("tz");
}

let position = 0, queue = Promise.resolve(), waiting = false;

// Runs fetches one after the other, so that the page shows the one that was requested last.
const enqueue = (work) => (queue = queue.catch(() => {}).then(work));

// Several refreshes that wait in the queue are one.
function refresh() {
  if (waiting) return queue;
  waiting = true;
  return enqueue(() => { waiting = false; return show(location.href, { "x-position": String(position) }); });
}

async function show(address, headers, requested) {
  const answer = await fetch(address, { headers, credentials: "same-origin" });
  if (answer.status === 401 || answer.redirected && new URL(answer.url).pathname.endsWith("/sign-in")) {
    location.reload(); // the session is over: its page explains what to do
    return false;
  }
  if (!answer.ok) throw new Error(String(answer.status));
  update(new DOMParser().parseFromString(await answer.text(), "text/html"), requested);
  return true;
}

// The markup of each part as it was fetched: details that somebody has opened since are not a change.
const shown = new Map([...document.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part.innerHTML]));

function update(fresh, requested) {
  document.title = fresh.title;
  for (const part of document.querySelectorAll("[data-part]")) {
    const name = part.dataset.part;
    const other = fresh.querySelector(`[data-part="${name}"]`);
    if (!other || other.innerHTML === shown.get(name) || !requested && isEdited(part)) continue;
    shown.set(name, other.innerHTML);
    replace(part, other);
    announce(part, other);
  }
}

// A part is not replaced while one of its fields has the focus or a changed value.
const isEdited = (part) => [...part.querySelectorAll("input, textarea, select")].some((field) => (
  field === document.activeElement || "defaultValue" in field && field.type !== "hidden" && field.value !== field.defaultValue));

function replace(part, other) {
  const open = [...part.querySelectorAll("details[open]")].map((one) => locate(part, one));
  const focused = part.contains(document.activeElement) ? locate(part, document.activeElement) : null;
  part.replaceChildren(...other.childNodes);
  for (const where of open) find(part, where)?.setAttribute("open", "");
  if (focused) find(part, focused)?.focus({ preventScroll: true });
}

// Describes where an element is, relative to the nearest id, because elements before it may be added or removed.
function locate(part, one) {
  const near = one.closest("[id]");
  const within = near && near !== part && part.contains(near) ? near : part;
  return [within.id, one.tagName, [...within.getElementsByTagName(one.tagName)].indexOf(one)];
}

function find(part, [id, tag, index]) {
  const within = part.id === id ? part : document.getElementById(id);
  return index < 0 ? within : within?.getElementsByTagName(tag)[index];
}

// Gives a changed text to screen readers.
function announce(part, other) {
  const text = other.dataset.announce;
  if (text && text !== part.dataset.announce) announcer.textContent = text;
  if (text) part.dataset.announce = text;
}

// Live updates: server-sent events while the page is visible; polling where the stream of events is not available.
let source = null, timer = 0, pause = POLL, debounce = 0;

// Each stream begins with "start", which has the position of the log: the page may lack what came before it.
function onEvent(event) {
  position = Math.max(position, JSON.parse(event.data).position);
  clearTimeout(debounce);
  debounce = setTimeout(() => refresh().catch(() => {}), DEBOUNCE);
}

function connect() {
  stop();
  if (document.hidden) return;
  if (main.dataset.updates && "EventSource" in window) {
    source = new EventSource(main.dataset.updates);
    for (const name of ["start", ...main.dataset.eventTypes.split(" ")]) source.addEventListener(name, onEvent);
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) poll(); };
    source.onopen = () => { pause = POLL; clearTimeout(timer); timer = setTimeout(tick, RELATIVE_TIMES); };
  } else if (main.dataset.updates || main.dataset.poll) {
    poll();
  }
}

function poll() {
  clearTimeout(timer);
  timer = setTimeout(tick, pause);
}

// Refreshes relative times such as "3 minutes ago".
async function tick() {
  try {
    await refresh();
    pause = POLL;
  } catch {
    pause = Math.min(2 * pause, MAX_POLL);
    position = 0; // the read models may be far behind: show what they have
  }
  if (source?.readyState === 1) timer = setTimeout(tick, RELATIVE_TIMES);
  else if (source) connect(); // the stream was refused before: try it again
  else poll();
}

function stop() {
  source?.close();
  source = null;
  clearTimeout(timer);
  clearTimeout(debounce);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return stop();
  connect();
  if (!source) refresh().catch(() => {});
});
addEventListener("pagehide", stop);
addEventListener("pageshow", (event) => { if (event.persisted) connect(); });

// Links and filters of the same page replace its parts and change the address.
async function navigate(address) {
  main.setAttribute("aria-busy", "true");
  try {
    await enqueue(async () => { if (await show(address, {}, true)) history.pushState(null, "", address); });
  } catch {
    location.assign(address);
  } finally {
    main.removeAttribute("aria-busy");
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  navigate(link.href);
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-swap]")) return;
  event.preventDefault();
  const address = new URL(form.action);
  address.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  navigate(address.href);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("form[data-swap] select")) event.target.form.requestSubmit();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const one of document.querySelectorAll("details.total[open]")) one.removeAttribute("open");
});

addEventListener("popstate", () => enqueue(() => show(location.href, {}, true)).catch(() => location.reload()));

// The menus are as wide as the screen on a phone: the link of this page is moved into view. Not by scrollIntoView, which also
// moves the place from which the keyboard goes on.
for (const one of document.querySelectorAll("nav [aria-current]")) {
  for (const menu of [one.closest("ul"), one.closest("div, nav")]) {
    menu.scrollLeft += one.getBoundingClientRect().left - menu.getBoundingClientRect().left - (menu.clientWidth - one.offsetWidth) / 2;
  }
}

// A whole API key that somebody looks for is cut to the part that may be shown, before it gets into an address.
document.addEventListener("input", ({ target }) => {
  const shown = target.matches("[data-finds-keys]") ? target.value.replace(/(_[0-9A-Za-z]{8})[0-9A-Za-z]{34,}/, "$1") : target.value;
  if (shown !== target.value) target.value = shown;
});

// A secret that is shown once: a button copies it where pages may, and it is selected when it has the focus.
for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  field.addEventListener("focus", () => field.select());
  if (field === document.activeElement) field.select();
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    field.select();
    await navigator.clipboard.writeText(field.value);
    button.textContent = announcer.textContent = "Copied";
  });
}
if (storeZone()) refresh().catch(() => {});
connect();
