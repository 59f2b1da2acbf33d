package paneltest

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// translate is a script that replaces the English texts of the page and its frames with those of a catalogue, records the
// replaced ones, and returns their number. A text of the page is a text of the catalogue with its placeholders filled,
// several such sentences in a row, or a word of the panel itself; values may be texts of the catalogue, too.
const translate = `((locale, catalogue) => {
	const quote = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
	const rules = Object.keys(catalogue).filter((text) => /__[a-z]+__/.test(text)).map((text) => {
		const parts = text.split(/__([a-z]+)__/);
		const source = parts.map((part, i) => i % 2 ? "(.+?)" : quote(part)).join("");
		return {
			text,
			names: parts.filter((_, i) => i % 2),
			weight: parts.filter((_, i) => i % 2 === 0).join("").length,
			whole: new RegExp("^" + source + "$"),
			first: new RegExp("^" + source + "(?=\\s)")
		};
	}).sort((a, b) => b.weight - a.weight);
	const sentences = Object.keys(catalogue).filter((text) => /[.:!?]$/.test(text) && !text.includes("__")).sort((a, b) => b.length - a.length);
	const fill = (rule, match) => rule.names.reduce((text, name, i) => text.replace("__" + name + "__", () => inOther(match[i + 1])), catalogue[rule.text]);
	const inOther = (text) => {
		if (Object.hasOwn(catalogue, text)) { return catalogue[text]; }
		const sentence = sentences.find((one) => text.startsWith(one + " "));
		if (sentence) { return catalogue[sentence] + " " + inOther(text.slice(sentence.length + 1)); }
		for (const rule of rules) {
			const begun = /[.:!?]$/.test(rule.text) && rule.first.exec(text);
			if (begun) { return fill(rule, begun) + " " + inOther(text.slice(begun[0].length + 1)); }
			const match = rule.whole.exec(text);
			if (match) { return fill(rule, match); }
		}
		return window.panelWord ? panelWord(locale, text) : text;
	};
	const replaced = window.replacedTexts = [];
	const replace = (text, set) => {
		const inner = text.trim();
		const other = inner ? inOther(inner) : inner;
		if (other !== inner) {
			replaced.push({ set, text, other: text.replace(inner, () => other) });
		}
	};
	[document].concat(Array.from(document.querySelectorAll("iframe")).map((f) => f.contentDocument)).forEach((d) => {
		const walker = d.createTreeWalker(d.body, NodeFilter.SHOW_TEXT);
		while (walker.nextNode()) {
			const node = walker.currentNode;
			if (!node.parentElement.closest("script, style")) {
				replace(node.data, (from, to) => { if (node.data === from) { node.data = to; } });
			}
		}
		// Texts that style sheets show: column headings beside the cells of a narrow table, and examples in empty fields.
		["data-label", "placeholder"].forEach((name) => d.querySelectorAll("[" + name + "]").forEach((e) => {
			replace(e.getAttribute(name), (from, to) => { if (e.getAttribute(name) === from) { e.setAttribute(name, to); } });
		}));
	});
	replaced.forEach((one) => one.set(one.text, one.other));
	return replaced.length;
})`

// pluralForm is the ending of a key that has a plural form.
var pluralForm = regexp.MustCompile(`_(one|two|few|many|other)$`)

// byEnglish returns the texts of a catalogue by the English texts as pages show them. Of plural forms, it is the one for most
// numbers.
func byEnglish(catalogue Catalogue) Catalogue {
	texts := Catalogue{}
	for key, text := range catalogue {
		english, isOther := strings.CutSuffix(key, "_other")
		if isOther || !pluralForm.MatchString(key) {
			texts[english] = text
		}
	}
	return texts
}

// Translate replaces the English texts of the page and its frames with their translations, as if the page were in another
// language, and returns a function that puts the English texts back. Dates stay as they are. The test fails when the
// page has none of the catalogue's texts.
func (d *Driver) Translate(locale string, catalogue Catalogue) (restore func()) {
	d.T.Helper()
	words, err := json.Marshal(byEnglish(catalogue))
	if err != nil {
		d.T.Fatal(err)
	}
	if n := Evaluate[int](d, translate+`(`+strconv.Quote(locale)+`, `+string(words)+`)`); n == 0 {
		d.T.Fatalf("translating the page to %s: none of its texts is in the catalogue", locale)
	}
	return func() {
		d.T.Helper()
		Evaluate[bool](d, `replacedTexts.every(one => { one.set(one.other, one.text); return true; })`)
	}
}
