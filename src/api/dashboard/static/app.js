// What makes open pages move and go without a flash. Every page works without it: links, forms, whole pages.
//
// The page is its own fragment: to be up to date it is fetched again, and those of its parts ([data-part]) are put
// in place that are not the same any more. What has the focus or is open stays so.

const main = document.getElementById("main");
const announcer = document.getElementById("announcer");
const POLL = 1_000 * (main.dataset.poll || 15), POLL_LONGEST = 120_000, CLOCK = 60_000, TOGETHER = 250;

// The reader's time zone, which a browser tells to nobody but a script.
function tellZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || document.cookie.split("; ").includes(`credit_ledger_zone=${zone}`)) return false;
  document.cookie = `credit_ledger_zone=${zone}; path=${document.documentElement.dataset.root}; max-age=31536000; samesite=lax`;
  return !new URLSearchParams(location.search).has("tz");
}

let position = 0, turn = Promise.resolve(), waiting = false;

// One after the other: what was asked for last is what stays.
const inTurn = (work) => (turn = turn.catch(() => {}).then(work));

// Whatever comes before its turn is one turn.
function refresh() {
  if (waiting) return turn;
  waiting = true;
  return inTurn(() => { waiting = false; return show(location.href, { "x-position": String(position) }); });
}

async function show(address, headers, asked) {
  const answer = await fetch(address, { headers, credentials: "same-origin" });
  if (answer.status === 401 || answer.redirected && new URL(answer.url).pathname.endsWith("/sign-in")) {
    location.reload(); // the page of the session that is over says what to do
    return false;
  }
  if (!answer.ok) throw new Error(String(answer.status));
  take(new DOMParser().parseFromString(await answer.text(), "text/html"), asked);
  return true;
}

// What each part showed when it came: what a reader has opened since is not a change.
const shown = new Map([...document.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part.innerHTML]));

function take(fresh, asked) {
  document.title = fresh.title;
  for (const part of document.querySelectorAll("[data-part]")) {
    const name = part.dataset.part;
    const other = fresh.querySelector(`[data-part="${name}"]`);
    if (!other || other.innerHTML === shown.get(name) || !asked && isWritten(part)) continue;
    shown.set(name, other.innerHTML);
    replace(part, other);
    say(part, other);
  }
}

// Nobody's writing is taken from under their hands, whether they are still at it or not.
const isWritten = (part) => [...part.querySelectorAll("input, textarea, select")].some((field) => (
  field === document.activeElement || "defaultValue" in field && field.type !== "hidden" && field.value !== field.defaultValue));

function replace(part, other) {
  const open = [...part.querySelectorAll("details[open]")].map((one) => place(part, one));
  const focused = part.contains(document.activeElement) ? place(part, document.activeElement) : null;
  part.replaceChildren(...other.childNodes);
  for (const where of open) at(part, where)?.setAttribute("open", "");
  if (focused) at(part, focused)?.focus({ preventScroll: true });
}

// Where something is: by the nearest id, since what is above it may come and go.
function place(part, one) {
  const near = one.closest("[id]");
  const within = near && near !== part && part.contains(near) ? near : part;
  return [within.id, one.tagName, [...within.getElementsByTagName(one.tagName)].indexOf(one)];
}

function at(part, [id, tag, index]) {
  const within = part.id === id ? part : document.getElementById(id);
  return index < 0 ? within : within?.getElementsByTagName(tag)[index];
}

function say(part, other) {
  const said = other.dataset.say;
  if (said && said !== part.dataset.say) announcer.textContent = said;
  if (said) part.dataset.say = said;
}

// Moves: told of events while somebody looks; asking now and then where that cannot be had.
let source = null, timer = 0, pause = POLL, soon = 0;

function hear(event) {
  position = Math.max(position, JSON.parse(event.data).position);
  clearTimeout(soon);
  soon = setTimeout(() => refresh().catch(() => {}), TOGETHER);
}

function listen() {
  stop();
  if (document.hidden) return;
  if (main.dataset.moves && "EventSource" in window) {
    source = new EventSource(main.dataset.moves);
    for (const name of main.dataset.events.split(" ")) source.addEventListener(name, hear);
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) poll(); };
    source.onopen = () => { pause = POLL; clearTimeout(timer); timer = setTimeout(tick, CLOCK); };
  } else if (main.dataset.moves || main.dataset.poll) {
    poll();
  }
}

function poll() {
  clearTimeout(timer);
  timer = setTimeout(tick, pause);
}

// "3 minutes ago" grows old as well.
async function tick() {
  try {
    await refresh();
    pause = POLL;
  } catch {
    pause = Math.min(2 * pause, POLL_LONGEST);
  }
  if (source?.readyState === 1) timer = setTimeout(tick, CLOCK);
  else if (source) listen(); // whoever was turned away may be let in by now
  else poll();
}

function stop() {
  source?.close();
  source = null;
  clearTimeout(timer);
  clearTimeout(soon);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return stop();
  refresh().catch(() => {});
  listen();
});
addEventListener("pagehide", stop);
addEventListener("pageshow", (event) => { if (event.persisted) listen(); });

// Links and filters of the same page change it in place, and the address with it.
async function go(address) {
  main.setAttribute("aria-busy", "true");
  try {
    await inTurn(async () => { if (await show(address, {}, true)) history.pushState(null, "", address); });
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
  go(link.href);
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-swap]")) return;
  event.preventDefault();
  const address = new URL(form.action);
  address.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  go(address.href);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("form[data-swap] select")) event.target.form.requestSubmit();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const one of document.querySelectorAll("details.total[open]")) one.removeAttribute("open");
});

addEventListener("popstate", () => inTurn(() => show(location.href, {}, true)).catch(() => location.reload()));

if (tellZone()) refresh().catch(() => {});
listen();
