// The page of one kernel: its record is read from the shard that its id leads to.
"use strict";
(function () {
  const place = document.querySelector("[data-kernel]");
  const COMPILED = { compiled: "yes", failed: "no", crashed: "crash",
    timeout: "late", not_extractable: "apart" };
  const MEANING = { yes: "compiles", no: "does not compile",
    open: "no arguments found that it compiles with",
    crash: "the compiler crashed", late: "compiling took too long",
    apart: "cannot be had as one file", has: "has every name it uses",
    lacks: "lacks a name it uses", unknown: "not known" };
  const SIGNS = { yes: "✓", no: "✗", open: "?", crash: "!", late: "…", apart: "–", has: "●",
    lacks: "○", unknown: "?" };

  function element(tag, options = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(options)) {
      if (name === "class") made.className = value;
      else if (name === "field") made.dataset.field = value;
      else made.setAttribute(name, value);
    }
    made.append(...children.flat().filter((each) => each !== null && each !== undefined));
    return made;
  }

  const code = (text, options = {}) => element("code", options, String(text));

  // A link to another site, only where its address is one of the web.
  function outside(address, ...children) {
    if (!/^https:\/\//.test(address)) return element("span", {}, ...children);
    return element("a", { href: address, rel: "noopener noreferrer" }, ...children);
  }

  const kernelLink = (id, text) =>
    element("a", { href: `kernel.html#${encodeURIComponent(id)}` }, text || id);

  function searchLink(facet, value, options = {}) {
    return element("a", { href: `index.html#${facet}=${encodeURIComponent(value)}`, ...options },
      value);
  }

  function copyable(text, field) {
    const button = element("button", { type: "button", class: "copy", "data-copy": text,
      "aria-label": `Copy: ${text.slice(0, 80)}` }, "Copy");
    const shown = element("pre", { tabindex: "0" }, code(text, field ? { field } : {}));
    return element("div", { class: "copyable" }, shown, button);
  }

  function section(title, ...children) {
    const kept = children.flat().filter(Boolean);
    return kept.length ? element("section", { class: "part" }, element("h2", {}, title), kept) : null;
  }

  function facts(...rows) {
    const kept = rows.filter(Boolean);
    return kept.length ? element("dl", { class: "facts-list" }, kept.flat()) : null;
  }

  function fact(label, field, value) {
    if (value === undefined || value === null || value === "") return null;
    const children = Array.isArray(value) ? value : [value];
    return [element("dt", {}, label), element("dd", { field }, ...children.map((each) =>
      (each instanceof Node ? each : String(each))))];
  }

  function joined(nodes, between = ", ") {
    return nodes.flatMap((node, at) => (at ? [between, node] : [node]));
  }

  const chips = (facet, field, values) => (values && values.length
    ? element("span", { class: "chips", field },
      values.map((value) => searchLink(facet, value, { class: "op" })))
    : null);

  const short = (release) => release.replace(/\.0$/, "");
  const shell = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word
    : `'${word.replaceAll("'", "'\\''")}'`);

  // ---- Parts of the page -----------------------------------------------------------------------

  function head(k) {
    const verified = k.verified
      ? element("span", { class: k.verified.result === "passed" ? "good" : "bad", field: "verified" },
        `${k.verified.result === "passed" ? "verified" : "failed verification"}` +
        ` on ${k.verified.gpu || "a GPU"}` + (k.verified.triton ? `, Triton ${k.verified.triton}` : ""))
      : null;
    return element("header", { class: "kernel-head" },
      element("p", { class: "crumbs" }, repoLink(k), " / ",
        element("span", { field: "path" }, k.path),
        k.cell === undefined ? null : [" cell ", element("span", { field: "cell" }, String(k.cell))]),
      element("h1", { field: "name" }, k.name),
      element("p", { class: "chips-line" }, chips("op", "ops", k.ops), verified,
        k.removed_at ? element("span", { class: "bad", field: "removed_at" },
          `gone since ${k.removed_at.slice(0, 10)}`) : null),
      k.summary ? element("blockquote", { field: "summary" }, k.summary) : null);
  }

  function repoLink(k) {
    return searchLink("repo", k.repo, { field: "repo" });
  }

  function what(k) {
    return section("What it is", facts(
      fact("Role", "role", k.role.replace("_", " ")),
      fact("Kind", "tags", k.tags && joined(k.tags.map((tag) => searchLink("tag", tag)))),
      fact("Dtypes", "dtypes", k.dtypes && joined(k.dtypes.map((each) => searchLink("dtype", each)))),
      fact("Techniques", "features",
        k.features && joined(k.features.map((each) => searchLink("feature", each)))),
      fact("Backward", "backward", k.backward && kernelLink(k.backward)),
      fact("Forward", "forward", k.forward && kernelLink(k.forward)),
      fact("Dialect", "dialect", k.dialect),
      fact("Made by", "form", k.form === "decorator" ? "a decorator"
        : k.form === "call" ? "a call of jit" : "the project's own wrapper around jit")));
  }

  function use(k) {
    const license = k.license
      ? [searchLink("license", k.license)]
      : ["unknown: ask its authors before you use the code"];
    return section("May I use it?", facts(
      fact("Licence", "license", license),
      fact("Where it is", "permalink", outside(k.permalink, `lines ${k.start_line} to ${k.end_line}`)),
      fact("Commit", "commit", code(k.commit)),
      fact("Authors", "authors", k.authors && k.authors.join(", ")),
      fact("Stars", "stars", k.stars !== undefined ? k.stars.toLocaleString("en") : null),
      fact("Generated", "is_generated", k.is_generated ? "yes, a machine wrote it" : null),
      fact("Test", "is_test", k.is_test ? "yes, it is part of a test" : null)),
      element("p", {}, "Take it as one file with its licences at the head:"),
      copyable(`triton-index get ${shell(k.id)} -o ${shell(`${k.name}.py`)}`));
  }

  function run(k, releases) {
    const tried = k.compiled || [];
    const targets = [...new Set(tried.map((each) => each.target))].sort();
    const inRange = (at) => {
      if (k.triton_min === undefined) return "unknown";
      const to = k.triton_max === undefined ? releases.length - 1 : releases.indexOf(k.triton_max);
      return at >= releases.indexOf(k.triton_min) && at <= to ? "has" : "lacks";
    };
    const rows = [["names", releases.map((_, at) => inRange(at))], ...targets.map((target) => [target,
      releases.map((release, at) => {
        const known = tried.find((each) => each.target === target && each.triton === release);
        return known ? COMPILED[known.outcome] || "open" : inRange(at) === "lacks" ? "lacks" : "unknown";
      })])];
    const used = new Set(rows.flatMap(([, marks]) => marks));
    const range = k.triton_min === undefined ? "not known"
      : `${short(k.triton_min)}${k.triton_max === undefined ? " and later" : ` to ${short(k.triton_max)}`}`;
    return section("Will it run?",
      facts(
        fact("Triton", "triton_min", [range]),
        fact("until", "triton_max", k.triton_max && short(k.triton_max)),
        fact("Asked for", "triton_declared", k.triton_declared && code(k.triton_declared)),
        fact("Hardware", "hardware", k.hardware ? joined(k.hardware.map((each) =>
          searchLink("hardware", each))) : "any that Triton runs on"),
        fact("Beware", "hazards", k.hazards && joined(k.hazards.map((rule) => code(rule))))),
      strip(rows, releases),
      element("p", { class: "legend" }, joined([...used].map((mark) =>
        element("span", {}, cellSign(mark), ` ${MEANING[mark]}`)), "  ")));
  }

  const cellSign = (mark) => element("span", { class: `sign ${mark}`, "aria-hidden": "true" },
    SIGNS[mark]);

  function strip(rows, releases) {
    const headRow = element("tr", {}, element("td", {}),
      releases.map((release) => element("th", { scope: "col" }, short(release))));
    const body = rows.map(([label, marks]) => element("tr", {},
      element("th", { scope: "row" }, label),
      marks.map((mark) => element("td", { class: mark },
        cellSign(mark), element("span", { class: "visually-hidden" }, MEANING[mark])))));
    const table = element("table", { class: "strip", field: "compiled" },
      element("caption", { class: "visually-hidden" }, "Releases of Triton"),
      element("thead", {}, headRow), element("tbody", {}, body));
    return element("div", { class: "scroll", tabindex: "0", role: "region",
      "aria-label": "Releases of Triton" }, table);
  }

  function call(k) {
    const parameters = (k.params || []).map((param) => element("tr", {},
      element("th", { scope: "row" }, code(param.name)), element("td", {}, param.kind),
      element("td", {}, param.default === null ? "" : code(param.default))));
    return section("How to use it",
      k.usage ? copyable(k.usage, "usage") : null,
      k.run_by ? element("div", { field: "operations" }, element("h3", {}, "What runs it"),
        element("ul", { class: "plain" }, k.run_by.map(([id, kind, signature, address]) =>
          element("li", {}, outside(address, code(id.split("::").pop() + signature)),
            ` ${kind === "autograd" ? "autograd function" : kind}`)))) : null,
      facts(fact("Launched by", "launchers", k.launchers && joined(k.launchers.map((l) => code(l))))),
      parameters.length ? element("details", {},
        element("summary", {}, `${parameters.length} parameters`),
        element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Parameters" },
          element("table", { class: "grid", field: "params" },
            element("thead", {}, element("tr", {}, ...["Name", "Kind", "Default"].map((label) =>
              element("th", { scope: "col" }, label)))),
            element("tbody", {}, parameters)))) : null,
      tuning(k));
  }

  function tuning(k) {
    if (!k.autotune) return null;
    const { n_configs: n, key, configs } = k.autotune;
    const said = n === null ? "configs made at run time" : `${n} configs`;
    const lines = configs.map((config) => element("li", {}, code(
      Object.entries({ ...config.kwargs, ...config.options }).map(([a, b]) => `${a}=${b}`).join(" "))));
    return element("details", { field: "autotune" },
      element("summary", {}, `Autotuned: ${said}${key && key.length ? `, by ${key.join(", ")}` : ""}`),
      element("ul", { class: "plain" }, lines));
  }

  function origin(k) {
    const copies = (k.copied || []).map(([id, license, stars]) => element("li", {}, kernelLink(id),
      ` ${license || "licence unknown"}${stars ? `, ★ ${stars.toLocaleString("en")}` : ""}`));
    return section("Copies and origin", facts(
      fact("Origin", "origin", k.origin && (k.origin === k.id ? "likely this one"
        : kernelLink(k.origin))),
      fact("Copies", "n_copies", k.n_copies),
      fact("Group", "clone_group", k.clone_group && code(k.clone_group))),
      copies.length ? element("ul", { class: "plain" }, copies) : null,
      copies.length ? copyable(`triton-index similar ${shell(k.id)}`) : null);
  }

  function trust(k) {
    if (!k.trust) return null;
    const items = k.trust.map(([worth, text]) => element("li", { class: worth > 0 ? "for" : "against" },
      element("span", { "aria-hidden": "true" }, worth > 0 ? "+" : "−"),
      element("span", { class: "visually-hidden" }, worth > 0 ? "for it: " : "against it: "), text));
    return section("Why it is ranked where it is",
      facts(fact("Standing", "standing", `${Math.round(k.standing * 100)} of 100`)),
      element("ul", { class: "trust" }, items));
  }

  function rest(k) {
    return section("Everything else", facts(
      fact("Id", "id", code(k.id)),
      fact("Qualified name", "qualname", code(k.qualname)),
      fact("Lines", "start_line", [k.start_line, " (", element("span", { field: "def_line" },
        String(k.def_line)), ") to ", element("span", { field: "end_line" }, String(k.end_line))]),
      fact("Calls", "tl_calls", k.tl_calls && joined(k.tl_calls.map((each) => code(each)))),
      fact("Decorators", "decorators", k.decorators && joined(k.decorators.map((each) => code(each)))),
      fact("Heuristics", "heuristics", k.heuristics && joined(k.heuristics.map((each) => code(each)))),
      fact("First seen", "first_seen", k.first_seen.slice(0, 10)),
      fact("Last seen", "last_seen", k.last_seen && k.last_seen.slice(0, 10)),
      ...(k.why || []).map(([field, reason]) => fact(`Why ${field}`, `why-${field}`, reason))),
      copyable(k.id), copyable(`triton-index show ${shell(k.id)}`));
  }

  // ---- Finding it ------------------------------------------------------------------------------

  function shardOf(id, shards) {
    let found = 0x811c9dc5;
    for (const byte of new TextEncoder().encode(id)) {
      found = Math.imul(found ^ byte, 0x01000193) >>> 0;
    }
    return found % shards;
  }

  function wanted() {
    const text = location.hash.slice(1);
    try { return decodeURIComponent(text); } catch { return text; }
  }

  function say(title, ...children) {
    document.title = title;
    place.replaceChildren(element("h1", {}, title), element("p", {}, ...children));
  }

  async function show() {
    const id = wanted();
    if (!id) {
      say("No kernel named", element("a", { href: "index.html" }, "Search for one"), ".");
      return;
    }
    const about = await TI.load("kernels");
    const cards = await TI.load(`kernels/${shardOf(id, about.shards)}`);
    if (id !== wanted()) return;
    if (!Object.hasOwn(cards, id)) {
      const name = id.split("::").pop();
      say("No such kernel", code(id), " is in this index under no such id. ",
        element("a", { href: `index.html#q=${encodeURIComponent(name)}` }, "Search for its name"), ".");
      return;
    }
    const k = cards[id];
    document.title = `${k.name} in ${k.repo}: triton-index`;
    place.replaceChildren(...[head(k), element("div", { class: "parts" },
      ...[use(k), run(k, about.releases), call(k), what(k), origin(k), trust(k), rest(k)]
        .filter(Boolean))]);
    window.scrollTo(0, 0);
  }

  const start = () => show().catch((error) => say("The index cannot be read", error.message));
  window.addEventListener("hashchange", start);
  start();
})();
