package paneltest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"azure-partner-connector/sandbox/browser"
)

// Widths of pages in CSS pixels.
const (
	Narrow  int64 = 320 // the narrowest that WCAG requires
	Phone   int64 = 390
	Desktop int64 = 1280
)

// widths returns the widths at which layouts are checked: the narrowest, a phone, a tablet, and two desktops.
func widths() []int64 { return []int64{Narrow, Phone, 768, Desktop, 1920} }

// telling are the translations that are judged at more than the narrowest width: German for its long words, Japanese for its
// script.
var telling = []string{"de_DE", "ja_JP"}

// layout is a script that returns the faults in the layout of the page and its visible frames: sideways scrolling, and texts
// and fields that overlap or stick out. It ignores what a dialog covers and what is placed outside on purpose.
const layout = `(() => {
	const slack = 3;
	const found = [];
	const shown = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && !e.closest(".unseen, .skip, .loading");
	const clipped = (e) => { for (; e; e = e.parentElement) { if (getComputedStyle(e).clipPath !== "none") { return true; } } return false; };
	const boxes = (d) => {
		const list = [];
		const add = (element, what, rects) => Array.from(rects).filter((r) => r.width > 1 && r.height > 1).forEach((r) => list.push({ element, what, r }));
		const walker = d.createTreeWalker(d.body, NodeFilter.SHOW_TEXT);
		while (walker.nextNode()) {
			const text = walker.currentNode;
			const e = text.parentElement;
			if (!text.data.trim() || !shown(e) || clipped(e) || e.closest("select, script, style")) { continue; }
			const range = d.createRange();
			range.selectNodeContents(text);
			add(e, text.data.trim().slice(0, 40), range.getClientRects());
		}
		d.querySelectorAll("input, textarea, select, button, img, svg").forEach((e) => {
			if (shown(e) && !clipped(e)) { add(e, e.id || e.tagName, [e.getBoundingClientRect()]); }
		});
		return list;
	};
	const frames = Array.from(document.querySelectorAll("iframe")).filter((f) => f.offsetParent !== null).map((f) => f.contentDocument);
	[document].concat(frames).forEach((d) => {
		const page = d.documentElement;
		const over = page.scrollWidth - page.clientWidth;
		if (over > 0) { found.push("it scrolls sideways by " + over); }
		const dialog = d.querySelector("dialog[open]");
		const all = boxes(d).filter((b) => !dialog || dialog.contains(b.element));
		all.forEach((a, i) => {
			if (a.r.left < -slack || a.r.right > page.clientWidth + slack) { found.push(a.what + " sticks out"); }
			all.slice(i + 1).forEach((b) => {
				const wide = Math.min(a.r.right, b.r.right) - Math.max(a.r.left, b.r.left);
				const high = Math.min(a.r.bottom, b.r.bottom) - Math.max(a.r.top, b.r.top);
				if (wide > slack && high > slack && !a.element.contains(b.element) && !b.element.contains(a.element)) {
					found.push(a.what + " overlaps " + b.what);
				}
			});
		});
	});
	return found;
})()`

// broken is a script that returns the labels of the page and its visible frames in which a word goes on in the next line: texts of
// buttons, headings, titles, chips and names of fields and columns. A word may break where it has a soft hyphen, and a text in a
// script without spaces anywhere.
const broken = `(() => {
	const labels = "button, .button, summary, h1, h2, h3, h4, h5, h6, label, legend, caption, th, dt, .aps-title, .aps-label, .aps-status, .menu a, .menu-label";
	const unspaced = /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}]/u;
	const found = [];
	const frames = Array.from(document.querySelectorAll("iframe")).filter((f) => f.offsetParent !== null).map((f) => f.contentDocument);
	[document].concat(frames).forEach((d) => {
		const walker = d.createTreeWalker(d.body, NodeFilter.SHOW_TEXT);
		while (walker.nextNode()) {
			const text = walker.currentNode;
			const e = text.parentElement;
			if (!e.closest(labels) || !e.checkVisibility({ checkVisibilityCSS: true }) || e.closest(".unseen, script, style")) { continue; }
			for (const word of text.data.matchAll(/[\p{L}\p{M}\p{N}]+/gu)) {
				const [first, last] = [word.index, word.index + word[0].length - 1].map((at) => {
					const range = d.createRange();
					range.setStart(text, at);
					range.setEnd(text, at + 1);
					return Array.from(range.getClientRects()).pop(); // before it, a hyphen at the end of the line before has one
				});
				if (!unspaced.test(word[0]) && first && last && Math.abs(first.top - last.top) > first.height / 2) {
					found.push("the label " + text.data.trim().slice(0, 60) + " breaks inside " + word[0]);
				}
			}
		}
	});
	return found;
})()`

// direct sets the direction of writing of the page and its frames: ltr or rtl.
func (d *Driver) direct(direction string) {
	d.T.Helper()
	Evaluate[bool](d, `[document].concat(Array.from(document.querySelectorAll("iframe")).map(f => f.contentDocument)).every(d => { d.documentElement.dir = "`+direction+`"; return true; })`)
}

// A Catalogue maps English texts with __named__ placeholders to their translations.
type Catalogue map[string]string

// LaidOut fails the test unless the layout of the page has no faults at every width and, on a phone and on a desktop, also
// from right to left and with the texts of the telling translations. At the narrowest width, no label breaks inside a word in any
// translation. what names the state; translations are by locale.
func (d *Driver) LaidOut(what string, translations map[string]Catalogue) {
	d.T.Helper()
	for _, width := range widths() {
		d.LaidOutAt(width, what, translations)
	}
	browser.Resize(d.T, d.Ctx, Desktop, 900)
}

// LaidOutAt is LaidOut at one width, which the page keeps.
func (d *Driver) LaidOutAt(width int64, what string, translations map[string]Catalogue) {
	d.T.Helper()
	browser.Resize(d.T, d.Ctx, width, 900)
	judge := func(how string) {
		d.T.Helper()
		found := Evaluate[[]string](d, layout)
		if width == Narrow {
			found = append(found, Evaluate[[]string](d, broken)...)
		}
		if len(found) > 0 {
			d.T.Errorf("%s at %d px, %s: %s", what, width, how, strings.Join(found[:min(len(found), 5)], "; "))
		}
	}
	judge("ltr")
	switch width {
	case Narrow:
	case Phone, Desktop:
		d.direct("rtl")
		judge("rtl")
		d.direct("ltr")
	default:
		return
	}
	for _, locale := range slices.Sorted(maps.Keys(translations)) {
		if width != Narrow && !slices.Contains(telling, locale) {
			continue
		}
		restore := d.Translate(locale, translations[locale])
		judge(locale)
		restore()
	}
}

// Section returns an expression for the group of the open screen with a title.
func Section(title string) string {
	return fmt.Sprintf(`Array.from(%s.querySelectorAll("section")).find(s => s.querySelector("h2").innerText === %q)`, Frame, title)
}
