// What a question asks for: the same reading of words as index/text.py, index/queries/wording.py,
// index/queries/spelling.py and wishlist/opening.py, from the data of words.js.
"use strict";
window.TI = window.TI || {};

TI.words = (function () {
  const JOINT = "+";
  const TOKEN = /[\p{L}\p{N}]+/gu;
  const CAMEL = new RegExp("(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])" +
    "|(?<=[A-Z])(?=[A-Z][a-z])(?![A-Z]s(?![a-z]))", "g");
  const ACRONYMS = /^([A-Z]{2,}\d?)s$/;
  const NO_VOWEL = /^[b-df-hj-np-tv-xz\d]{3,}s$/;

  const known = new Map();       // word -> [term, how often it was written]
  const terms = new Set();       // of words that were written
  const stems = new Map();
  let data = null;
  let hasJoined = false;
  let letters = null;

  function load(written) {
    data = written;
    data.stopSet = new Set(data.stop);
    data.commonSet = new Set(data.common);
    add(written);
    for (const [term, n] of known.values()) if (n > 0) terms.add(term);
  }

  function loadJoined(joined) {
    add(joined);
    hasJoined = true;
  }

  function add(part) {
    const words = part.words ? part.words.split(" ") : [];
    const spelled = part.spelled.split(" ");
    const joined = [];
    words.forEach((word, at) => {
      const how = spelled[at], n = part.counts.length ? part.counts[at] : 0;
      if (how[0] === ".") joined.push([word, how, n]);
      else known.set(word, [termAs(word, how), n]);
    });
    for (const [word, how, n] of joined) known.set(word, [termOfParts(word, how), n]);
    letters = null;
  }

  // The term of a word that is spelled as index/site/words.py says.
  function termAs(word, how) {
    if (!how) return word;
    if (how[0] === "=") return how.slice(1);
    return word.slice(0, word.length - parseInt(how[0], 36)) + how.slice(1);
  }

  function termOfParts(word, how) {
    let at = 0;
    const parts = [];
    for (const digit of how.slice(1)) {
      const part = word.slice(at, at += parseInt(digit, 36)), found = known.get(part);
      parts.push(found && !found[0].includes(JOINT) ? found[0] : term(part));
    }
    return parts.join(JOINT);
  }

  function term(word) {
    let found = stems.get(word);
    if (found === undefined) {
      const short = data.shortForms;
      const plain = Object.hasOwn(short, word) || !word.endsWith("s") ? word : word.slice(0, -1);
      const written = Object.hasOwn(short, plain) ? short[plain] : null;
      found = NO_VOWEL.test(word) ? written || plain : TI.stem(written || word);
      stems.set(word, found);
    }
    return found;
  }

  function split(text) {
    const found = [];
    for (let [token] of text.slice(0, 4000).matchAll(TOKEN)) {
      const acronym = ACRONYMS.exec(token);
      if (acronym) token = acronym[1];
      const parts = token.replace(CAMEL, JOINT).toLowerCase().slice(0, data.knobs.LONGEST_WORD);
      found.push(...parts.split(JOINT).filter(Boolean));
    }
    return found;
  }

  function askedWords(text) {
    const found = split(text);
    const said = found.filter((word) => !data.stopSet.has(word));
    return said.length ? said : found;
  }

  const phraseKey = (words) => words.map(term).join("");
  const joinTerms = (all) => all.join("").replaceAll(JOINT, "");

  // Stretches of the items from the left, as many together as are one.
  function runs(items, isOne, longest) {
    const found = [];
    for (let at = 0; at < items.length;) {
      let size = Math.min(longest, items.length - at);
      while (size > 1 && !isOne(items.slice(at, at + size))) size--;
      found.push(items.slice(at, at + size));
      at += size;
    }
    return found;
  }

  function isWritten(word) {
    const own = known.get(word), stem = term(word), ofStem = known.get(stem);
    return Boolean((own && own[1] > 0) || (ofStem && ofStem[1] > 0) || terms.has(stem));
  }

  function termsOf(word) {
    const stem = term(word);
    for (const spelling of [word, stem]) {
      const found = known.get(spelling);
      if (found && found[1] > 0) return [found[0]];
    }
    if (terms.has(stem)) return [stem];
    const apart = known.get(word) || known.get(stem);
    return apart ? apart[0].split(JOINT) : [];
  }

  // Reads a question. `needsJoined`: to tell, the joined words are to be loaded too.
  function understand(query, { completes = true } = {}) {
    const asked = askedWords(TI.opening.cut(query, data)).slice(0, data.knobs.MAX_WORDS);
    const state = { unknown: [], readAs: new Map(), guessed: new Set(), needsJoined: false, last: null };
    if (completes && /[\p{L}\p{N}]$/u.test(query)) state.last = asked[asked.length - 1];
    const found = [];
    let plain = [];
    const named = (run) => {
      const key = phraseKey(run);
      return Object.hasOwn(data.aliases, key) ? data.aliases[key] : null;
    };
    for (const run of runs(asked, (some) => named(some) !== null, data.knobs.LONGEST_NAME)) {
      const key = phraseKey(run), alias = named(run);
      if (key === joinTerms([alias === null ? key : alias])) {
        plain.push(...run);
      } else {
        found.push(...read(plain, state, false));
        const literal = read(run, state, true).map((concept) => concept.term);
        found.push({ term: alias, isCommon: false, literal: [...new Set(literal)] });
        plain = [];
      }
    }
    found.push(...read(plain, state, false));
    const concepts = [...new Map(found.map((concept) => [concept.term, concept])).values()];
    if (state.unknown.length && concepts.every((c) => c.isCommon || state.guessed.has(c.term))) {
      // One word is like nothing here, and the others are slips at best: of another field.
      const strange = asked.filter((w) => state.unknown.includes(w) || state.readAs.has(w));
      return { concepts: [], asked, ...state, readAs: new Map(), unknown: [...new Set(strange)],
        allAsked: askedWords(query) };
    }
    for (const concept of concepts) {
      const parts = concept.term.split(JOINT);
      concept.parts = concept.literal.length ? concept.literal : parts.length > 1 ? parts : [];
    }
    return { concepts, asked, ...state, unknown: [...new Set(state.unknown)],
      allAsked: askedWords(query) };
  }

  function read(asked, state, isName) {
    const found = [];
    const longest = data.knobs.LONGEST_JOINED;
    for (const run of runs(asked, (some) => isWritten(some.join("")), longest)) {
      const word = run.join("");
      let own = termsOf(word);
      if (!own.length && !isName) own = guess(word, state);
      const isCommon = data.commonSet.has(word);
      found.push(...own.map((each) => ({ term: each, isCommon, literal: [] })));
    }
    const key = (run) => run.map((concept) => concept.term).join(JOINT);
    return runs(found, (run) => terms.has(key(run)), longest).map((run) =>
      run.length === 1 ? run[0] : { term: key(run), isCommon: false, literal: [] });
  }

  // The terms of the word that one which nobody wrote is a slip of, or the beginning of.
  function guess(word, state) {
    if (!hasJoined) {
      state.needsJoined = true;
      return [];
    }
    const slipOf = meantWord(word);
    const meant = slipOf || (word === state.last ? completion(word) : null);
    if (meant === null) {
      state.unknown.push(word);
      return [];
    }
    state.readAs.set(word, meant);
    const own = termsOf(meant);
    for (const each of slipOf === null ? [] : own) state.guessed.add(each);
    return own;
  }

  function completion(word) {
    let best = null, most = 0;
    if (word.length < 2) return null;
    for (const [other, [, n]] of known) {
      if (n > most && other.startsWith(word)) [best, most] = [other, n];
    }
    return best;
  }

  function meantWord(word) {
    const { SHORTEST_SLIP, LONG_WORD } = data.knobs;
    if (word.length < SHORTEST_SLIP) return null;
    const allowed = word.length < LONG_WORD ? 1 : 2;
    const near = alike(word).filter((each) => each.slips <= allowed);
    if (!near.length) return null;
    return near.reduce((a, b) => (b.n > a.n || (b.n === a.n && b.word > a.word) ? b : a)).word;
  }

  function suggest(word) {
    return alike(word).slice(0, 3).map((each) => each.word);
  }

  // The words that are the fewest slips away.
  function alike(word) {
    const most = Math.max(1, Math.floor(word.length / 3));
    const bits = letterBits(word);
    const found = [];
    letters = letters || lettersOfAll();
    for (let at = 0; at < letters.words.length; at++) {
      const size = letters.sizes[at];
      if (size <= 2 || Math.abs(size - word.length) > most) continue;
      if (bitCount(bits & ~letters.bits[at]) > most) continue;
      if (bitCount(letters.bits[at] & ~bits) > most) continue;
      const other = letters.words[at], n = known.get(other)[1];
      const slips = slipsBetween(other, word);
      if (slips > most) continue;
      const likeness = jaroWinkler(other, word);
      if (likeness >= data.knobs.NEAR_ENOUGH) found.push({ word: other, slips, likeness, n });
    }
    const least = Math.min(...found.map((each) => each.slips));
    return found.filter((each) => each.slips === least).sort((a, b) =>
      b.likeness - a.likeness || b.n - a.n || (a.word < b.word ? -1 : 1));
  }

  // What rules out most words before any is compared letter by letter.
  function lettersOfAll() {
    const words = [...known.keys()];
    return { words, sizes: Uint16Array.from(words, (word) => word.length),
      bits: Int32Array.from(words, letterBits) };
  }

  function letterBits(word) {
    let bits = 0;
    for (let at = 0; at < word.length; at++) bits |= 1 << (word.charCodeAt(at) & 31);
    return bits;
  }

  function bitCount(bits) {
    let n = 0;
    for (; bits; bits &= bits - 1) n++;
    return n;
  }

  // Damerau and Levenshtein's distance: letters put in, left out, mistaken or swapped.
  function slipsBetween(a, b) {
    const width = b.length + 2, far = a.length + b.length;
    const cost = new Int32Array((a.length + 2) * width);
    const lastRow = new Map();
    cost[0] = far;
    for (let i = 0; i <= a.length; i++) {
      cost[(i + 1) * width] = far;
      cost[(i + 1) * width + 1] = i;
    }
    for (let j = 0; j <= b.length; j++) {
      cost[j + 1] = far;
      cost[width + j + 1] = j;
    }
    for (let i = 1; i <= a.length; i++) {
      let lastColumn = 0;
      for (let j = 1; j <= b.length; j++) {
        const row = lastRow.get(b[j - 1]) || 0, column = lastColumn;
        const same = a[i - 1] === b[j - 1];
        if (same) lastColumn = j;
        cost[(i + 1) * width + j + 1] = Math.min(
          cost[i * width + j] + (same ? 0 : 1),
          cost[(i + 1) * width + j] + 1,
          cost[i * width + j + 1] + 1,
          cost[row * width + column] + (i - row - 1) + 1 + (j - column - 1));
      }
      lastRow.set(a[i - 1], i);
    }
    return cost[(a.length + 1) * width + b.length + 1];
  }

  function jaroWinkler(a, b) {
    const reach = Math.max(0, Math.floor(Math.max(a.length, b.length) / 2) - 1);
    const usedA = new Array(a.length).fill(false), usedB = new Array(b.length).fill(false);
    let matches = 0;
    for (let i = 0; i < a.length; i++) {
      const end = Math.min(b.length, i + reach + 1);
      for (let j = Math.max(0, i - reach); j < end; j++) {
        if (!usedB[j] && a[i] === b[j]) {
          usedA[i] = usedB[j] = true;
          matches++;
          break;
        }
      }
    }
    if (!matches) return 0;
    let swapped = 0;
    for (let i = 0, j = 0; i < a.length; i++) {
      if (!usedA[i]) continue;
      while (!usedB[j]) j++;
      if (a[i] !== b[j++]) swapped++;
    }
    const jaro = (matches / a.length + matches / b.length +
      (matches - Math.floor(swapped / 2)) / matches) / 3;
    if (jaro <= 0.7) return jaro;
    let prefix = 0;
    while (prefix < 4 && prefix < a.length && a[prefix] === b[prefix]) prefix++;
    return jaro + prefix * 0.1 * (1 - jaro);
  }

  return { load, loadJoined, understand, suggest, term, split, joinTerms,
    get hasJoined() { return hasJoined; } };
})();
