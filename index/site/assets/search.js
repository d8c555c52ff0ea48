// Ranked search over the kernels: the ranking of index/queries/search.py, step by step, on the data
// that index/site/kernel_list.py and postings.py write. A test holds the two side by side.
"use strict";
window.TI = window.TI || {};

TI.search = (function () {
  const IS_TEST = 1, IS_GENERATED = 2, IS_VERIFIED = 4, HAS_BACKWARD = 8, IS_ORIGIN = 16,
    HAS_ORIGIN = 32, SAYS_BACKWARD = 64;
  const ROLE_ORDER = [2, 0, 2, 1];   // kernel, device function, pointwise, unknown
  // Of these a kernel must have all that are chosen; of the others one.
  const ALL_OF = new Set(["op", "tag", "feature", "dtype", "pass"]);
  const FACETS = ["op", "tag", "repo", "license", "role", "dialect", "dtype", "feature", "hardware",
    "triton", "verified", "pass"];

  let list = null;      // what list.js holds, its columns unpacked
  let knobs = null;
  let count = 0;        // kernels; the documents after them are operations
  let documents = 0;
  let facets = null;    // facet -> { values, starts, numbers }: which values each kernel has
  let order = null;     // kernels by standing, stars and id: how ties are broken
  let loadShard = null;

  function load(data, { shards, fetchShard }) {
    list = data;
    knobs = data.knobs;
    list.shards = shards;
    loadShard = fetchShard;
    const columns = data.columns;
    count = columns.tail.length;
    documents = count + data.operations.kernels.length;
    for (const name of Object.keys(columns)) {
      if (name !== "tail") columns[name] = Int32Array.from(columns[name]);
    }
    for (let at = 1; at < count; at++) columns.file[at] += columns.file[at - 1];
    facets = makeFacets();
    list.worth = worthOfAll();
    const stars = Int32Array.from({ length: count }, (_, k) => starsOf(k));
    list.stars = stars;
    order = new Int32Array(count);
    Array.from({ length: count }, (_, k) => k)
      .sort((a, b) => columns.standing[b] - columns.standing[a] || stars[b] - stars[a] || a - b)
      .forEach((k, at) => { order[k] = at; });
  }

  const fileOf = (k) => list.files[list.columns.file[k]];
  const repoOf = (k) => list.repos[fileOf(k)[0]];
  // Unknown stars come after none.
  const starsOf = (k) => { const stars = repoOf(k)[1]; return stars === null ? -1 : stars; };
  const idOf = (k) => `${repoOf(k)[0]}:${fileOf(k)[1]}::${list.columns.tail[k]}`;
  const nameOf = (k) => list.columns.tail[k].replace(/#\d+$/, "").split(".").pop();
  const listOf = (name, k) => list.lists[name][list.columns[name][k]];

  // ---- What a kernel may be filtered by -------------------------------------------------------

  // Made when they are first asked for: a first search needs none.
  function makeFacets() {
    const { columns, lists } = list;
    const ofList = (name) => (k) => lists[name][columns[name][k]];
    const each = (all) => all.map((value) => [value]);
    const repos = each(list.repos.map(([name]) => name)), roles = each(list.roles),
      dialects = each(list.dialects), none = [];
    const flagged = (flag, values) => (k) => (columns.flags[k] & flag ? values : none);
    const values = {
      op: ofList("ops"),
      tag: ofList("tags"),
      repo: (k) => repos[fileOf(k)[0]],
      license: (k) => list.licenses[columns.license[k]],
      role: (k) => roles[columns.role[k]],
      dialect: (k) => dialects[columns.dialect[k]],
      dtype: ofList("dtypes"),
      feature: ofList("features"),
      hardware: (k) => hardwareOf(lists.backends[columns.backends[k]]),
      triton: (k) => releasesOf(columns.triton_min[k], columns.triton_max[k]),
      verified: flagged(IS_VERIFIED, ["passed"]),
      pass: flagged(HAS_BACKWARD, ["has backward"]),
    };
    const made = {};
    for (const facet of FACETS) {
      let known = null;
      Object.defineProperty(made, facet, {
        get: () => (known = known || numbered(values[facet])),
      });
    }
    return made;
  }

  const anyBackend = new Map();
  function hardwareOf(names) {
    let found = anyBackend.get(names);
    if (!found) {
      const isBound = names.some((name) => list.hardware.includes(name));
      found = isBound ? names : [...names, "any"];
      anyBackend.set(names, found);
    }
    return found;
  }

  const ranges = new Map();
  function releasesOf(oldest, newest) {
    const key = oldest * 1000 + newest;
    if (!ranges.has(key)) {
      const within = oldest < 0 ? []
        : list.releases.slice(oldest, newest < 0 ? undefined : newest + 1);
      ranges.set(key, within);
    }
    return ranges.get(key);
  }

  // The values of a facet, each with a number, and the numbers of each kernel one after the other.
  function numbered(valuesOf) {
    const numbers = new Map(), ofList = new Map(), values = [];
    const starts = new Int32Array(count + 1);
    let all = new Int32Array(count * 2 + 16), size = 0;
    for (let k = 0; k < count; k++) {
      const own = valuesOf(k);
      let coded = ofList.get(own);
      if (!coded) {
        coded = own.map((value) => {
          if (!numbers.has(value)) {
            numbers.set(value, values.length);
            values.push(value);
          }
          return numbers.get(value);
        });
        ofList.set(own, coded);
      }
      if (size + coded.length > all.length) {
        const grown = new Int32Array((size + coded.length) * 2);
        grown.set(all);
        all = grown;
      }
      for (const n of coded) all[size++] = n;
      starts[k + 1] = size;
    }
    return { values, numbers, starts, all: all.slice(0, size) };
  }

  // For each kernel the facets whose filter it fails, as bits; tests fail all.
  function failures(filters) {
    const failed = new Uint16Array(count);
    FACETS.forEach((facet, bit) => {
      const chosen = filters[facet];
      if (!chosen || !chosen.length) return;
      const { numbers, starts, all } = facets[facet];
      const wanted = chosen.map((value) => wantedNumber(facet, value, numbers));
      const needed = ALL_OF.has(facet) ? wanted.length : 1;
      const mark = 1 << bit;
      for (let k = 0; k < count; k++) {
        let has = 0;
        for (let at = starts[k]; at < starts[k + 1]; at++) if (wanted.includes(all[at])) has++;
        if (has < needed) failed[k] |= mark;
      }
    });
    if (!filters.tests) {
      const flags = list.columns.flags;
      for (let k = 0; k < count; k++) if (flags[k] & IS_TEST) failed[k] = 0xffff;
    }
    return failed;
  }

  function wantedNumber(facet, value, numbers) {
    if (numbers.has(value)) return numbers.get(value);
    const folded = value.toLowerCase();
    for (const [known, n] of numbers) {
      if (known.toLowerCase() === folded) return n;
      if (facet === "repo" && known.toLowerCase().split(/[/:]/).pop() === folded) return n;
      if (facet === "triton" && known.replace(/\.0$/, "") === value) return n;
    }
    return -1;
  }

  // ---- Scores ----------------------------------------------------------------------------------

  // What a kernel is worth beside others that answer as well, but for its backend.
  function worthOfAll() {
    const { standing, role, flags } = list.columns;
    const k = knobs;
    const shareOfRole = { device_function: k.DEVICE_FUNCTION_SHARE, unknown: k.UNKNOWN_ROLE_SHARE };
    return {
      standing: (n) => k.STANDING_FLOOR + (1 - k.STANDING_FLOOR) * (standing[n] / 100),
      of(n, score, foreign) {
        let worth = score * this.standing(n);
        worth *= shareOfRole[list.roles[role[n]]] || 1;
        worth *= flags[n] & IS_TEST ? k.TEST_SHARE : 1;
        worth *= flags[n] & IS_GENERATED ? k.GENERATED_SHARE : 1;
        worth *= foreign[list.columns.backends[n]] ? k.FOREIGN_SHARE : 1;
        return worth * (repoOf(n)[2] ? k.COPIER_SHARE : 1);
      },
    };
  }

  // Which lists of backends hold one that nobody asked for.
  function foreignLists(asked, chosen) {
    const words = new Set(asked);
    const wanted = new Set((chosen || []).map((value) => value.toLowerCase())
      .filter((value) => list.hardware.includes(value)));
    for (const name of list.hardware) {
      if ([name, ...list.asked[name]].some((word) => words.has(word))) wanted.add(name);
    }
    if (!wanted.size) wanted.add(knobs.COMMON_BACKEND);
    return list.lists.backends.map((names) =>
      names.some((name) => list.hardware.includes(name) && !wanted.has(name)));
  }

  // Halves to the even neighbour, as DuckDB rounds.
  function whole(value) {
    const below = Math.floor(value), rest = value - below;
    if (rest !== 0.5) return Math.round(value);
    return below % 2 ? below + 1 : below;
  }

  // Adds, for one concept, its score to each document that has it.
  function scoreConcept(concept, postings, total) {
    const parts = concept.parts;
    const whole0 = new Map(), part = new Map();
    hit(postings.get(concept.term), (num, score) => whole0.set(num, score));
    for (const term of parts) {
      hit(postings.get(term), (num, score) => {
        const found = part.get(num);
        if (found) { found[0] += score; found[1]++; } else part.set(num, [score, 1]);
      });
    }
    const share = Math.fround(shareOf(concept));
    const add = (num, score) => {
      total.score[num] += score;
      if (!total.isFound[num]) { total.isFound[num] = 1; total.found.push(num); }
      if (concept.counts) total.matched[num]++;
    };
    for (const [num, score] of whole0) {
      const [sum, n] = part.get(num) || [0, 0];
      const own = score + whole(knobs.BESIDE_SHARE * sum);
      const apart = parts.length && n === parts.length ? asFloat(share, sum) : 0;
      add(num, Math.max(own, apart));
    }
    for (const [num, [sum, n]] of part) {
      if (n === parts.length && !whole0.has(num)) add(num, asFloat(share, sum));
    }
  }

  // DuckDB multiplies a FLOAT by a whole number as FLOATs.
  const asFloat = (share, sum) => whole(Math.fround(share * Math.fround(sum)));

  function shareOf(concept) {
    if (!concept.literal.length) return knobs.APART_SHARE;
    return concept.literal.length === 1 ? 1.0 : knobs.OTHER_NAME_SHARE;
  }

  function hit(posting, each) {
    if (!posting) return;
    const n = posting.nums.length;
    const rarity = Math.log(1 + (documents - n + 0.5) / (n + 0.5));
    for (let at = 0; at < n; at++) {
      const weight = posting.weights[at];
      each(posting.nums[at],
        whole(1e6 * rarity * weight * (1 + knobs.SATURATION) / (weight + knobs.SATURATION)));
    }
  }

  // Returns, for each kernel that answers, its score and how much of what is asked it has.
  function answers(wording, postings, filters) {
    const total = { score: new Float64Array(documents), matched: new Uint8Array(documents),
      isFound: new Uint8Array(documents), found: [] };
    for (const concept of wording.concepts) scoreConcept(concept, postings, total);
    const exact = postings.get(wording.exactKey);
    const codes = new Map();
    if (exact) exact.nums.forEach((num, at) => codes.set(num, exact.codes[at]));
    const asksBackward = wording.terms.has(knobs.BACKWARD);
    const backwardShare = asksBackward ? 1.0 : knobs.BACKWARD_SHARE;
    const best = new Map();
    const put = (k, score, matched) => {
      const known = best.get(k);
      if (!known) { best.set(k, [score, matched]); return; }
      if (score > known[0]) known[0] = score;
      if (matched > known[1]) known[1] = matched;
    };
    const operations = list.operations;
    for (const num of total.found) {
      const code = codes.get(num);
      let score = total.score[num];
      score *= code === 1 ? knobs.EXACT_NAME : code === 2 ? knobs.EXACT_OP : 1;
      const isOperation = num >= count;
      const saysBackward = isOperation ? operations.says_backward[num - count]
        : list.columns.flags[num] & SAYS_BACKWARD;
      score *= saysBackward ? backwardShare : 1;
      if (!isOperation) { put(num, score, total.matched[num]); continue; }
      const launched = operations.launched[num - count];
      const lifted = knobs.OPERATION_SHARE * Math.min(1, knobs.MOST_LIFTED / launched) * score;
      for (const k of operations.kernels[num - count]) put(k, lifted, total.matched[num]);
    }
    const foreign = foreignLists(wording.allAsked, filters.hardware);
    const nums = Int32Array.from(best.keys());
    const scores = new Float64Array(count), matched = new Uint8Array(count);
    for (const [k, [score, n]] of best) {
      scores[k] = list.worth.of(k, score, foreign);
      matched[k] = n;
    }
    return { nums, scores, matched };
  }

  // ---- One of each group of copies, one of each operation -------------------------------------

  const SORTS = {
    relevance: (scores) => (a, b) => scores[b] - scores[a] || order[a] - order[b],
    stars: (scores) => (a, b) =>
      list.stars[b] - list.stars[a] || scores[b] - scores[a] || a - b,
    recent: (scores) => (a, b) => list.columns.seen[b] - list.columns.seen[a] ||
      scores[b] - scores[a] || list.stars[b] - list.stars[a] || a - b,
    name: () => (a, b) => compareText(nameOf(a).toLowerCase(), nameOf(b).toLowerCase()) ||
      compareText(nameOf(a), nameOf(b)) || list.stars[b] - list.stars[a] || a - b,
  };
  const compareText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

  // What a kernel is worth as the one that stands for its copies.
  function asOriginal(k, score) {
    const flags = list.columns.flags[k];
    let worth = score * (flags & IS_ORIGIN ? 1 / knobs.ORIGIN_SHARE : 1);
    if (!(flags & HAS_ORIGIN)) {
      worth *= Math.max(list.columns.standing[k] / 100, knobs.LEAST_STANDING);
    }
    return worth * (isPackage(k) ? knobs.ORIGIN_SHARE : 1);
  }

  const isPackage = (k) => repoOf(k)[0].startsWith("pypi:");

  function bestOriginal(scores) {
    const rank = (k) => {
      const flags = list.columns.flags[k];
      return flags & IS_ORIGIN ? 2 : flags & HAS_ORIGIN ? 1 : 0;
    };
    return (a, b) => asOriginal(b, scores[b]) - asOriginal(a, scores[a]) || rank(b) - rank(a) ||
      isPackage(a) - isPackage(b) || order[a] - order[b];
  }

  // Groups of several among these kernels, each in its order; single ones stand for themselves.
  function severals(kernels, column, compare) {
    const members = new Map();
    const groups = list.columns[column];
    for (const k of kernels) {
      if (!groups[k]) continue;
      const known = members.get(groups[k]);
      if (known) known.push(k); else members.set(groups[k], [k]);
    }
    const found = [];
    for (const group of members.values()) if (group.length > 1) found.push(group.sort(compare));
    return found;
  }

  // How results are folded: by copies, and with words by what runs them.
  function foldings(kernels, scores, hasWords, copies) {
    if (copies) return [];
    const byScore = (a, b) => scores[b] - scores[a] || a - b;
    return [severals(kernels, "clone_group", bestOriginal(scores)),
      ...(hasWords ? [severals(kernels, "part", byScore)] : [])];
  }

  function folded(kernels, folds) {
    const hidden = new Set();
    const stands = new Map();
    for (const groups of folds) {
      for (const group of groups) {
        for (const k of group.slice(1)) hidden.add(k);
        const others = stands.get(group[0]) || [];
        stands.set(group[0], others.concat(group.slice(1)));
      }
    }
    return { kept: kernels.filter((k) => !hidden.has(k)), stands };
  }

  // Few of one source at the head: what waits for others gives way to what answers nearly as well.
  function mixed(kernels, scores) {
    const [seenFirst, mostOfOne] = knobs.OF_ONE_SOURCE[knobs.OF_ONE_SOURCE.length - 1];
    const waiting = kernels.slice(0, knobs.LOOKED_AT);
    const first = [], taken = new Map();
    const of = (k) => taken.get(fileOf(k)[0]) || 0;
    while (waiting.length && first.length < seenFirst) {
      const most = knobs.OF_ONE_SOURCE.find(([place]) => first.length < place)[1];
      const best = waiting[0];
      let chosen = waiting.findIndex((k) => of(k) < most &&
        (scores[k] >= knobs.NEARLY * scores[best] || of(best) >= mostOfOne));
      if (chosen < 0) chosen = 0;
      const [k] = waiting.splice(chosen, 1);
      taken.set(fileOf(k)[0], of(k) + 1);
      first.push(k);
    }
    return [...first, ...waiting, ...kernels.slice(knobs.LOOKED_AT)];
  }

  // ---- Counts of each value of each facet, as choosing it would give ---------------------------

  function countFacets(kernels, failed, folds) {
    const counts = {};
    for (const facet of FACETS) counts[facet] = new Int32Array(facets[facet].values.length);
    const isOpen = (k, bit, facet) =>
      failed[k] === 0 || (failed[k] === 1 << bit && !ALL_OF.has(facet));
    FACETS.forEach((facet, bit) => {
      const { starts, all, values } = facets[facet];
      const seen = new Int32Array(values.length), hidden = new Uint8Array(all.length);
      let turn = 0;
      for (const group of folds.flat()) {
        turn++;
        for (const k of group) {
          if (!isOpen(k, bit, facet)) continue;
          for (let at = starts[k]; at < starts[k + 1]; at++) {
            if (seen[all[at]] === turn) hidden[at] = 1; else seen[all[at]] = turn;
          }
        }
      }
      const own = counts[facet];
      for (const k of kernels) {
        if (!isOpen(k, bit, facet)) continue;
        for (let at = starts[k]; at < starts[k + 1]; at++) if (!hidden[at]) own[all[at]]++;
      }
    });
    return counts;
  }

  // ---- Search ----------------------------------------------------------------------------------

  // Postings of these words, from the shards that hold them.
  async function postingsOf(words) {
    const found = new Map();
    await Promise.all([...words].map(async (word) => {
      const shard = await shardOf(word);
      const posting = shard && shard.get(word);
      if (posting) found.set(word, posting);
    }));
    return found;
  }

  const shards = new Map();
  function shardOf(word) {
    let low = 0, high = list.shards.length - 1;
    if (high < 0 || word < list.shards[0]) return null;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (list.shards[middle] <= word) low = middle; else high = middle - 1;
    }
    if (!shards.has(low)) shards.set(low, loadShard(low).then(readShard));
    return shards.get(low);
  }

  function readShard(shard) {
    const text = atob(shard.postings);
    const words = shard.words.split(" ");
    const weights = shard.weights.map((weight) => Math.fround(weight / 1e6));
    const found = new Map();
    let at = 0;
    const next = () => {
      let value = 0, shift = 0, byte;
      do {
        byte = text.charCodeAt(at++);
        value |= (byte & 127) << shift;
        shift += 7;
      } while (byte > 127);
      return value;
    };
    words.forEach((word, n) => {
      const size = shard.sizes[n];
      const posting = { nums: new Int32Array(size), weights: new Float64Array(size) };
      if (word[0] === "=") posting.codes = new Int32Array(size);
      for (let i = 0, num = 0; i < size; i++) {
        num += next();
        posting.nums[i] = num;
        const code = next();
        posting.weights[i] = weights[code];
        if (posting.codes) posting.codes[i] = shard.weights[code];
      }
      found.set(word, posting);
    });
    return found;
  }

  function sharpen(wording) {
    const allCommon = wording.concepts.every((concept) => concept.isCommon);
    for (const concept of wording.concepts) concept.counts = allCommon || !concept.isCommon;
    const said = wording.concepts.filter((concept) => !concept.isCommon);
    wording.exactKey = "=" + TI.words.joinTerms(said.map((concept) => concept.term));
    wording.terms = new Set(wording.concepts.flatMap((each) => [each.term, ...each.parts]));
    wording.required = Math.floor((said.length || wording.concepts.length) / 2) + 1;
    return wording;
  }

  // Finds kernels. Gives { kernels (numbers in order), scores, stands (what each stands for),
  // facets: () => counts, readAs, unknown }.
  async function find(query, filters = {}, { sort = "relevance", copies = false } = {}) {
    const failed = failures(filters);
    const hasWords = query.trim() !== "";
    if (!hasWords) {
      const scores = Float64Array.from(list.columns.role, (role) => ROLE_ORDER[role]);
      return result(everyone(), scores, failed, { hasWords, sort, copies, filters });
    }
    let wording = TI.words.understand(query);
    if (wording.needsJoined) {
      await TI.load("joined-words");
      wording = TI.words.understand(query);
    }
    sharpen(wording);
    const postings = await postingsOf(new Set([...wording.terms, wording.exactKey]));
    const { nums, scores, matched } = answers(wording, postings, filters);
    const enough = sort === "relevance" ? knobs.ENOUGH : 1;
    for (let required = wording.required; ; required--) {
      const some = nums.filter((k) => matched[k] >= required);
      const found = result([...some], scores, failed, { hasWords, sort, copies, filters });
      if (found.kernels.length >= enough || required <= 1) {
        return { ...found, readAs: [...wording.readAs], unknown: wording.unknown };
      }
    }
  }

  let all = null;
  const everyone = () => (all = all || Array.from({ length: count }, (_, k) => k));

  function result(kernels, scores, failed, { hasWords, sort, copies, filters }) {
    const passing = kernels.filter((k) => failed[k] === 0);
    const { kept, stands } = folded(passing, foldings(passing, scores, hasWords, copies));
    kept.sort(SORTS[sort](scores));
    const isMixed = hasWords && sort === "relevance" && !(filters.repo && filters.repo.length);
    const open = () => kernels.filter((k) => failed[k] !== 0xffff);
    return {
      kernels: isMixed ? mixed(kept, scores) : kept,
      scores,
      stands,
      facets: () => {
        const candidates = open();
        return countFacets(candidates, failed, foldings(candidates, scores, hasWords, copies));
      },
      readAs: [],
      unknown: [],
    };
  }

  return { load, find, FACETS, idOf, nameOf, repoOf, fileOf, listOf,
    get facets() { return facets; },
    get list() { return list; },
    get count() { return count; },
    flags: { IS_TEST, IS_GENERATED, IS_VERIFIED, HAS_BACKWARD, IS_ORIGIN, HAS_ORIGIN } };
})();
