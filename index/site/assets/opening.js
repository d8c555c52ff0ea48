// A question without the words with which people ask, as wishlist/opening.py takes them away.
"use strict";
window.TI = window.TI || {};

TI.opening = (function () {
  const LONGEST_OPENING = 5;
  const POLITE = "please|pls|plz|kindly|hi|hello|hey|thanks|thank you";
  const FRAME =
    "(?:can|could|would|will|should|do|does|may|shall) (?:you|we|i|it|they|someone|somebody" +
    "|anyone|anybody)(?: (?:be (?:possible|nice|great|good|helpful|useful|cool|awesome)" +
    "(?: to(?: have| see| get)?)?|have|know|like(?: to(?: have| see)?)?))?" +
    "|i(?:'d| would) (?:like|love)(?: to (?:have|see|get))?" +
    "|(?:i(?:'m| am)|we(?:'re| are)) (?:looking|searching) for|looking for|searching for" +
    "|(?:i|we) (?:need|want|wish for|require|miss)" +
    "|(?:is|are|was) there(?: (?:any|some|already))?(?= )" +
    "|(?:it )?would be (?:nice|great|good|helpful|useful|cool|awesome)(?: to (?:have|see|get))?" +
    "|help (?:me|us)(?: (?:to|with|find))?|let(?:'s| us)" +
    "|(?:what|how) about|any plans? (?:for|on|to)|plans? (?:for|on|to)" +
    "|(?:feature|kernel|op|operator)? ?(?:request|proposal|wish|rfc|idea)s?(?: for)?" +
    "|(?:a )?(?:sample|example)s? (?:of|for)|tracking(?: issue)?(?: for)?" +
    "|(?:missing|wanted|needed)";
  const VERB =
    "(?:introduc|creat|develop|contribut|propos|adopt|upstream|implement|provid|enabl|includ" +
    "|integrat|offer|deliver|publish|ship|support|build|writ|mak|port|expos|releas|prepar|plan" +
    "|design|suppl(?:y|i))(?:e|es|s|ing|ed)?|bring(?:s|ing)?(?: in)?";
  const VERB_BEFORE = "(?:add|extend|hav|get|giv)(?:e|es|s|ing|ed)?";
  const AFTER_VERB =
    "(?:in )?(?:a|an|the|some|any|another|new|native|support|kernels?|our|your|my)\\b";
  const ARTICLES = "(?:a|an|the|some|any|new|native|support|more)";
  const OPENING = new RegExp(
    `^\\s*(?:(?:${POLITE}|${FRAME}|${VERB})\\b|${VERB_BEFORE}(?= ${AFTER_VERB}))[\\s,:!]*`, "i");
  const POLITE_ADD = /^\s*add(?:ing)?\s+/i;
  const LEADING = new RegExp(
    `^\\s*(?:${ARTICLES}\\b|support (?:for|of)\\b|for\\b|of\\b|to\\b)[\\s,:]*`, "i");
  const FIRST_ARTICLE = /^\s*((?:[a-z']+[\s,]+){1,5}?)(?:an?|some)\s+(?=\S)/i;
  const SUPPORT = /\bsupport(?:s|ed|ing)?(?: for| of)?\b/gi;
  const PLEASE = new RegExp(`[\\s,]*\\b(?:${POLITE})\\b[\\s,.!?]*$`, "i");
  const NAMESPACE = new RegExp(
    "(?<![\\w.])(?:(?:torch|nn|F|functional|aten|jax|jnp|lax|tf|onnx|special|linalg|ops|_C)" +
    "(?:\\.|::))+(?=\\w)", "g");
  const OVERLOAD = /(?<=\w)\.(?:default|out|Tensor|Scalar|int|dim)\b/g;

  const CHUNK = /[A-Za-z0-9]+/g;
  const CAMEL = new RegExp("(?<=[a-z0-9])(?=[A-Z][A-Za-z])" +
    "|(?<=[A-Z])(?=[A-Z][a-z])(?![A-Z]s(?![a-z]))|(?<=[a-z])(?=[A-Z]$)");
  const COUNTER = /^[a-z]{0,2}\d+[a-z]?$/;

  let book = null;   // first word -> [[words, phrase]], the longest first

  function cut(text, data) {
    return withoutOpening(text.replace(OVERLOAD, "").replace(NAMESPACE, ""), data);
  }

  function withoutOpening(text, data) {
    let rest = text.replace(PLEASE, "");
    let asked = false;
    for (let round = 0; round < 8; round++) {
      const opened = OPENING.exec(rest) ||
        (asked && (POLITE_ADD.exec(rest) || LEADING.exec(rest)));
      if (!opened) break;
      rest = rest.slice(opened[0].length);
      asked = true;
    }
    rest = beforeArticle(rest, data);
    rest = rest.replace(SUPPORT, " ").split(/\s+/).filter(Boolean).join(" ");
    return rest || text;
  }

  function beforeArticle(text, data) {
    const match = FIRST_ARTICLE.exec(text);
    if (!match || match[1].split(/\s+/).filter(Boolean).length > LONGEST_OPENING) return text;
    return namesOp(match[1], data) ? text : text.slice(match[0].length);
  }

  // Tells whether these words name an op other than `add`: PhraseBook.read of crawler/enrich/words.
  function namesOp(text, data) {
    book = book || makeBook(data);
    const words = (text.slice(0, 200).match(CHUNK) || [])
      .flatMap((chunk) => chunk.split(CAMEL)).map((word) => normal(word.toLowerCase()));
    const found = [];
    let isWeighty = false;
    for (let at = 0; at < words.length;) {
      const entry = (book.first.get(words[at]) || []).find(([spelling]) =>
        spelling.every((word, n) => words[at + n] === word));
      if (entry) found.push(entry[1]);
      else if (!book.noise.has(words[at]) && !COUNTER.test(words[at])) isWeighty = true;
      at += entry ? entry[0].length : 1;
    }
    let counted = found.filter((phrase) => !phrase.isPlain);
    if (counted.length) counted = found.filter((phrase) => !phrase.isPlain || phrase.isCompanion);
    else if (!isWeighty) counted = found;
    return counted.some((phrase) => phrase.text !== "add");
  }

  function normal(word) {
    if (book.known.has(word) || book.noise.has(word)) return word;
    const bare = word.replace(/[0-9]+$/, "");
    return book.known.has(bare) || book.noise.has(bare) ? bare : word;
  }

  function makeBook(data) {
    const made = { first: new Map(), known: new Set(), noise: new Set(data.noise) };
    data.phrases.forEach((texts, kind) => {
      for (const text of texts) {
        const phrase = { text, isPlain: kind < 2, isCompanion: kind === 1 };
        for (const spelling of spellings(text.split(" "))) {
          const entries = made.first.get(spelling[0]) || [];
          entries.push([spelling, phrase]);
          made.first.set(spelling[0], entries);
          for (const word of spelling) made.known.add(word);
        }
      }
    });
    for (const entries of made.first.values()) entries.sort((a, b) => b[0].length - a[0].length);
    return made;
  }

  // The words with every choice of neighbours written as one.
  function spellings(words) {
    if (words.length > 5) return [words];
    const found = [];
    for (let joints = 0; joints < 1 << (words.length - 1); joints++) {
      const spelling = [words[0]];
      words.slice(1).forEach((word, at) => {
        if (joints >> at & 1) spelling[spelling.length - 1] += word;
        else spelling.push(word);
      });
      found.push(spelling);
    }
    return found;
  }

  return { cut };
})();
