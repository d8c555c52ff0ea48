// The search page: the box, the filters, the results, and the address that holds their state.
"use strict";
(function () {
  const PAGE = 20;            // results painted at once
  const FIRST_VALUES = 8;     // values of a facet painted with the results; the rest follow
  const MOST_VALUES = 200;
  const LABELS = { op: "Operator", tag: "Kind", dtype: "Dtype", feature: "Feature",
    triton: "Triton release", license: "Licence", verified: "Verified", role: "Role",
    dialect: "Dialect", hardware: "Hardware", pass: "Backward", repo: "Source" };
  const SHOWN = ["op", "tag", "dtype", "pass", "triton", "license", "verified", "feature",
    "hardware", "role", "dialect", "repo"];
  const CLASSES = ["permissive", "weak-copyleft", "copyleft", "any-open"];
  const NAMES = { role: { device_function: "device function" } };

  const grouped = new Intl.NumberFormat("en");
  const find = (selector) => document.querySelector(selector);
  const box = find("#q"), results = find("[data-results]"), number = find("[data-count]"),
    what = find("[data-what]"), said = find("[data-said]"), more = find("[data-more]"),
    chosenBox = find("[data-chosen]"), sort = find("[data-sort]");

  let state = { q: "", filters: {}, sort: "relevance", copies: false };
  let shown = 0;
  let last = null;
  let turn = 0;
  let facetTimer = 0;
  let addressTimer = 0;

  // ---- Address -------------------------------------------------------------------------------

  function read() {
    const made = { q: "", filters: {}, sort: "relevance", copies: false };
    for (const part of [location.search, location.hash]) {
      for (const [name, value] of new URLSearchParams(part.slice(1))) {
        if (name === "q") made.q = value;
        else if (name === "sort" && sort.querySelector(`option[value="${CSS.escape(value)}"]`)) {
          made.sort = value;
        } else if (name === "copies") made.copies = value === "1";
        else if (name === "tests") made.filters.tests = value === "1";
        else if (TI.search.FACETS.includes(name) && value) (made.filters[name] ??= []).push(value);
      }
    }
    return made;
  }

  function address() {
    const parts = state.q ? [["q", state.q]] : [];
    for (const facet of TI.search.FACETS) {
      for (const value of state.filters[facet] || []) parts.push([facet, value]);
    }
    if (state.filters.tests) parts.push(["tests", "1"]);
    if (state.copies) parts.push(["copies", "1"]);
    if (state.sort !== "relevance") parts.push(["sort", state.sort]);
    return "#" + parts.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  }

  // Typing changes the address in place; what is chosen or committed is a step of its own.
  function keep(isStep) {
    clearTimeout(addressTimer);
    const wanted = location.pathname + address();
    if (location.pathname + location.search + (location.hash || "#") === wanted) return;
    history[isStep ? "pushState" : "replaceState"](null, "", wanted);
  }

  // ---- Search --------------------------------------------------------------------------------

  async function run() {
    const own = ++turn;
    delete document.body.dataset.settled;
    const found = await TI.search.find(state.q, state.filters, state);
    if (own !== turn) return;
    last = found;
    document.body.classList.toggle("has-query", state.q.trim() !== "");
    paint();
    clearTimeout(facetTimer);
    facetTimer = setTimeout(() => { if (own === turn) paintFacets(found); }, 60);
  }

  function paint() {
    const size = last.kernels.length;
    number.textContent = String(size);
    number.dataset.count = String(size);
    what.textContent = size === 1 ? "kernel" : "kernels";
    sort.value = state.sort;
    find("[data-option=tests]").checked = Boolean(state.filters.tests);
    find("[data-option=copies]").checked = state.copies;
    results.replaceChildren(...last.kernels.slice(0, PAGE).map(row));
    shown = Math.min(PAGE, size);
    more.hidden = shown >= size;
    paintSaid(size);
    paintChosen();
  }

  function paintSaid(size) {
    const lines = last.readAs.map(([word, meant]) => [`“${word}” read as `, bold(meant), ". "]);
    for (const word of last.unknown) {
      const near = TI.words.suggest(word);
      lines.push([`No kernel has the word “${word}”`,
        near.length ? `; did you mean ${near.join(" or ")}? ` : ". "]);
    }
    const hasFilters = Object.values(state.filters).some((values) => values && values.length);
    if (!size) {
      lines.push([hasFilters ? "Nothing found; try fewer filters." : "Nothing found; try other words."]);
    }
    said.hidden = !lines.length;
    said.replaceChildren(...lines.flat());
  }

  function element(tag, className, ...children) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children.filter((child) => child !== null && child !== ""));
    return made;
  }

  const bold = (text) => element("b", "", text);

  // ---- Results -------------------------------------------------------------------------------

  function row(k) {
    const S = TI.search, list = S.list, columns = list.columns, flags = columns.flags[k];
    const id = S.idOf(k), repo = S.repoOf(k);
    const link = element("a", "name", S.nameOf(k));
    link.href = `kernel.html#${encodeURIComponent(id)}`;
    const head = element("div", "head", link,
      ...S.listOf("ops", k).slice(0, 4).map((op) => element("span", "op", op)));
    if (flags & S.flags.IS_VERIFIED) head.append(element("span", "good", "verified"));
    if (flags & S.flags.IS_TEST) head.append(element("span", "mild", "test"));
    const place = element("div", "place", element("span", "repo", repo[0]),
      element("span", "path", S.fileOf(k)[1]));
    const facts = element("div", "facts");
    const part = columns.part[k] ? list.parts[columns.part[k]] : null;
    const role = list.roles[columns.role[k]];
    if (role !== "kernel") facts.append(element("span", "", role.replace("_", " ")));
    if (part && role === "kernel") facts.append(element("span", "", "run by ", code(part)));
    const license = list.licenses[columns.license[k]][0];
    facts.append(element("span", license ? "" : "mild", license || "licence unknown"));
    const from = columns.triton_min[k], to = columns.triton_max[k];
    if (from >= 0) facts.append(element("span", "", `Triton ${range(from, to)}`));
    if (repo[1]) facts.append(element("span", "", `★ ${grouped.format(repo[1])}`));
    if (columns.copies[k]) {
      const n = columns.copies[k];
      facts.append(element("span", "", `${n} ${n === 1 ? "copy" : "copies"}`));
    }
    const item = element("li", "result", head, place, facts);
    item.dataset.id = id;
    const others = last.stands.get(k);
    if (others && others.length) item.append(folded(others));
    return item;
  }

  const code = (text) => element("code", "", text);

  function range(from, to) {
    const releases = TI.search.list.releases, short = (n) => releases[n].replace(/\.0$/, "");
    if (to < 0) return `${short(from)} and later`;
    return from === to ? short(from) : `${short(from)} to ${short(to)}`;
  }

  // What a result stands for: its copies, and other kernels of what runs it.
  function folded(others) {
    const unique = [...new Set(others)];
    const box = element("details", "folded",
      element("summary", "", `and ${unique.length} more like it`));
    box.addEventListener("toggle", () => {
      if (!box.open || box.querySelector("ul")) return;
      const items = unique.slice(0, 50).map((k) => {
        const link = element("a", "", TI.search.idOf(k));
        link.href = `kernel.html#${encodeURIComponent(TI.search.idOf(k))}`;
        return element("li", "", link);
      });
      box.append(element("ul", "", ...items));
    });
    return box;
  }

  more.addEventListener("click", () => {
    const next = last.kernels.slice(shown, shown + 50).map(row);
    results.append(...next);
    shown += next.length;
    more.hidden = shown >= last.kernels.length;
    if (next.length) next[0].querySelector("a").focus();
  });

  // ---- Filters -------------------------------------------------------------------------------

  const groups = new Map();

  function makeFacets() {
    const place = find("[data-facets]");
    for (const facet of SHOWN) {
      const heading = element("h2", "", LABELS[facet]);
      const values = element("div", "values");
      const group = element("section", "facet", heading, values);
      group.dataset.facet = facet;
      heading.id = `facet-${facet}`;
      values.setAttribute("role", "group");
      values.setAttribute("aria-labelledby", heading.id);
      values.addEventListener("click", (event) => {
        const button = event.target.closest("button[data-value]");
        if (button) toggle(facet, button.dataset.value);
      });
      place.append(group);
      groups.set(facet, { group, values });
    }
  }

  function paintFacets(found) {
    const counts = found.facets();
    const rest = [];
    for (const facet of SHOWN) {
      const { group, values } = groups.get(facet);
      const known = TI.search.facets[facet].values;
      const chosen = state.filters[facet] || [];
      let entries = [];
      counts[facet].forEach((n, at) => {
        if (n || chosen.includes(known[at])) entries.push([known[at], n]);
      });
      entries = entries.sort(orderOf(facet, chosen)).slice(0, MOST_VALUES);
      group.hidden = !entries.length;
      values.replaceChildren(...entries.slice(0, FIRST_VALUES).map((each) => button(facet, each)));
      if (entries.length > FIRST_VALUES) rest.push([facet, values, entries.slice(FIRST_VALUES)]);
    }
    const own = turn;
    const later = () => {
      if (own !== turn) return;
      const next = rest.shift();
      if (!next) {
        document.body.dataset.settled = "";
        return;
      }
      const [facet, values, entries] = next;
      values.append(...entries.map((each) => button(facet, each)));
      setTimeout(later, 0);
    };
    setTimeout(later, 100);
  }

  function orderOf(facet, chosen) {
    const releases = TI.search.list.releases;
    return ([a, n], [b, m]) => {
      const isChosen = chosen.includes(b) - chosen.includes(a);
      if (isChosen) return isChosen;
      if (facet === "triton") return releases.indexOf(b) - releases.indexOf(a);
      if (facet === "license") {
        const rank = (value) => (CLASSES.includes(value) ? CLASSES.indexOf(value) : 9);
        if (rank(a) !== rank(b)) return rank(a) - rank(b);
      }
      return m - n || (a < b ? -1 : 1);
    };
  }

  function button(facet, [value, n]) {
    const shownAs = facet === "triton" ? value.replace(/\.0$/, "")
      : (NAMES[facet] || {})[value] || value;
    const made = element("button", "value", element("span", "label", shownAs),
      element("span", "n", grouped.format(n)));
    made.type = "button";
    made.dataset.facet = facet;
    made.dataset.value = value;
    const isChosen = (state.filters[facet] || []).includes(value);
    made.setAttribute("aria-pressed", String(isChosen));
    return made;
  }

  function paintChosen() {
    const chips = [];
    for (const facet of TI.search.FACETS) {
      for (const value of state.filters[facet] || []) {
        const chip = element("button", "chip", value, element("span", "x", "×"));
        chip.type = "button";
        chip.setAttribute("aria-label", `Remove the filter ${LABELS[facet]} ${value}`);
        chip.addEventListener("click", () => toggle(facet, value));
        chips.push(chip);
      }
    }
    chosenBox.replaceChildren(...chips);
    find("[data-chosen-count]").textContent = chips.length ? `(${chips.length})` : "";
  }

  function toggle(facet, value) {
    const known = state.filters[facet] || [];
    state.filters[facet] = known.includes(value) ? known.filter((each) => each !== value)
      : [...known, value];
    keep(true);
    run();
  }

  // ---- Keys and events -----------------------------------------------------------------------

  function move(step) {
    const links = [...results.querySelectorAll("a.name")];
    const at = links.indexOf(document.activeElement);
    const next = at + step;
    if (next < 0) box.focus();
    else if (links[next]) links[next].focus();
  }

  function listen() {
    box.addEventListener("input", () => {
      state.q = box.value;
      // Painting comes first: browsers take their time to change an address.
      run().then(() => {
        clearTimeout(addressTimer);
        addressTimer = setTimeout(() => keep(false), 20);
      });
    });
    document.addEventListener("keydown", (event) => {
      const isInside = event.target === box || results.contains(event.target);
      if (!isInside || event.isComposing) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        if (event.target === box && event.key === "ArrowUp") return;
        event.preventDefault();
        move(event.key === "ArrowDown" ? 1 : -1);
      } else if (event.key === "Enter" && event.target === box) {
        event.preventDefault();
        move(1);
      } else if (event.key === "Escape") {
        event.preventDefault();
        if (event.target === box && box.value) {
          box.value = state.q = "";
          keep(true);
          run();
        }
        box.focus();
      }
    });
    sort.addEventListener("change", () => { state.sort = sort.value; keep(true); run(); });
    find("[data-option=tests]").addEventListener("change", (event) => {
      state.filters.tests = event.target.checked;
      keep(true);
      run();
    });
    find("[data-option=copies]").addEventListener("change", (event) => {
      state.copies = event.target.checked;
      keep(true);
      run();
    });
    for (const name of ["popstate", "hashchange"]) {
      window.addEventListener(name, () => {
        if (address() === (location.hash || "#")) return;
        state = read();
        box.value = state.q;
        run();
      });
    }
  }

  async function start() {
    if (matchMedia("(max-width: 52rem)").matches) find("[data-facets-box]").open = false;
    makeFacets();
    const [list, words] = await Promise.all([TI.load("list"), TI.load("words")]);
    TI.words.load(words);
    TI.search.load(list, {
      shards: list.shards,
      fetchShard: (n) => TI.load(`postings/${n}`),
    });
    state = read();
    // What was typed while the words were on their way counts.
    if (box.value && !state.q) state.q = box.value;
    box.value = state.q;
    listen();
    await run();
    document.body.dataset.ready = "";
    if (!matchMedia("(hover: none)").matches && !location.hash) box.focus();
    // Joined words are for slips: they may come last.
    setTimeout(() => TI.load("joined-words").catch(() => null), 300);
  }

  start().catch((error) => {
    said.hidden = false;
    said.textContent = `The index cannot be read (${error.message}). All facts are in data/kernels.parquet.`;
  });
})();
