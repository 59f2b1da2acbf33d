/*
 * Functions for assistive technology and the clipboard, for which the platform's widgets have no properties. They change
 * only the elements of our own widgets (domNode) and never write markup.
 */
define([], function () {
    "use strict";

    const fields = "input:not([tabindex='-1']), textarea";
    const focusable = "button, a, " + fields;

    /* input returns the field of a widget. Dijit's widgets have it as focusNode, because their element may be the field
       itself, or contain another one before it that only draws an icon. */
    const input = function (widget) {
        const named = widget.focusNode;
        return named && named.matches(fields) ? named : widget.domNode.querySelector(fields);
    };

    /* buttonOf returns the element of a button to which its role belongs. */
    const buttonOf = function (widget) {
        return widget.domNode.matches("button") ? widget.domNode : widget.focusNode || widget.domNode.querySelector("button") || widget.domNode;
    };

    const nothingHasFocus = function () {
        const active = document.activeElement;
        return !active || active === document.body || active.disabled === true || !active.getClientRects().length;
    };

    const make = function (name, style, text) {
        const node = document.createElement(name);
        node.style.cssText = style;
        node.textContent = text || "";
        return node;
    };

    /* drawn returns the element with which something is drawn in a widget, and makes it the first time, so that what is open or
       has the focus stays so. */
    const drawn = function (widget, name, style) {
        const own = widget.domNode.querySelector("[data-azp-drawn]");
        if (own) {
            return own;
        }
        const made = make(name, style);
        made.setAttribute("data-azp-drawn", "");
        widget.domNode.appendChild(made);
        return made;
    };

    return {
        /* readOnly makes a field read-only; its text can still be selected. */
        readOnly: function (widget) {
            const field = input(widget);
            if (field) {
                field.readOnly = true;
                field.spellcheck = false;
            }
        },

        /* oneTime tells the browser not to store or correct the input. */
        oneTime: function (widget) {
            const field = input(widget);
            if (field) {
                field.autocomplete = "off";
                field.spellcheck = false;
                field.setAttribute("autocapitalize", "off");
            }
        },

        /* secret hides the input and tells the browser not to store it. */
        secret: function (widget) {
            this.oneTime(widget);
            const field = input(widget);
            if (field) {
                field.type = "password";
                field.autocomplete = "new-password";
            }
        },

        /* date makes a field one for a day, with the picker of the browser. Its value stays as in 2027-11-23. */
        date: function (widget) {
            const field = input(widget);
            if (field) {
                field.type = "date";
            }
        },

        /* unreadable reports whether a field has something that is no value of its kind, such as half a day. */
        unreadable: function (widget) {
            const field = input(widget);
            return Boolean(field && field.validity && field.validity.badInput);
        },

        /* grouped writes a code of twelve characters in groups of four while a person enters it, however it is pasted. Whatever
           cannot be one, such as an address, stays as it is. */
        grouped: function (widget) {
            const field = input(widget);
            if (!field || field.hasAttribute("data-azp-grouped")) {
                return;
            }
            field.setAttribute("data-azp-grouped", "");
            const plainOf = function (text) { return text.replace(/[\s\u2010-\u2015-]/g, ""); };
            field.addEventListener("input", function (event) {
                const plain = plainOf(field.value);
                const grouped = plain.toUpperCase().replace(/(.{4})(?=.)/g, "$1-");
                if (event.isComposing || !/^[0-9a-z]{1,12}$/i.test(plain) || grouped === field.value) {
                    return;
                }
                const before = plainOf(field.value.slice(0, field.selectionStart)).length;
                // After a group, the caret stays before the dash, unless the person deletes forward.
                const dashes = event.inputType === "deleteContentForward" ? before / 4 : (before - 1) / 4;
                const caret = before + Math.max(0, Math.floor(dashes));
                field.value = grouped;
                field.setSelectionRange(caret, caret);
                field.dispatchEvent(new Event("input", { bubbles: true })); // the widget has read the text as it was before
            });
        },

        /* onInput calls act with the text of a field whenever a person changes it. */
        onInput: function (widget, act) {
            const field = input(widget);
            if (field) {
                field.addEventListener("input", function () { act(field.value); });
            }
        },

        /* onLeave calls act whenever a person has changed a field and leaves it. */
        onLeave: function (widget, act) {
            const field = input(widget);
            if (field) {
                field.addEventListener("change", act);
            }
        },

        /* text sets the value of a widget. The same text again is no change, which screen readers would announce. */
        text: function (widget, text) {
            if (widget.get("value") !== text) {
                widget.set("value", text);
            }
        },

        /* live makes screen readers announce changes of a text: "polite" waits for a pause, "assertive" interrupts. */
        live: function (widget, politeness) {
            widget.domNode.setAttribute("aria-live", politeness);
        },

        /* named names a button for assistive technology where several have the same label: label is the beginning of name. */
        named: function (widget, name) {
            const target = buttonOf(widget);
            target.removeAttribute("aria-labelledby"); // Dijit's buttons refer to their label, which counts more
            target.setAttribute("aria-label", name);
        },

        /* breakable lets names without spaces, such as domains, break anywhere, so that they make nothing wider than the screen. A
           column of a list becomes no narrower than most words for that, or than least. */
        breakable: function (widget, least) { Object.assign(widget.domNode.style, { overflowWrap: "anywhere", whiteSpace: "normal", minWidth: least || "7em" }); },

        /* hasFocus reports whether a widget has the focus. */
        hasFocus: function (widget) { return widget.domNode.contains(document.activeElement); },

        /* pressed says whether what a button switches is on. */
        pressed: function (widget, is) {
            const target = buttonOf(widget);
            target.setAttribute("aria-pressed", String(is));
            target.style.textDecoration = is ? "underline 2px" : "";
            target.style.textUnderlineOffset = "5px";
        },

        /* invalid marks a field as invalid, with the text of another widget as its description; null removes the mark.
           Focus the field before: Dijit's fields validate themselves on focus. */
        invalid: function (widget, text) {
            const field = input(widget);
            if (!field) {
                return;
            }
            if (!text) {
                field.removeAttribute("aria-invalid");
                field.removeAttribute("aria-describedby");
                return;
            }
            field.setAttribute("aria-invalid", "true");
            field.setAttribute("aria-describedby", text.domNode.id);
        },

        /* focus focuses a widget, and scrolls to it unless stay is true. */
        focus: function (widget, stay) {
            if (stay && widget.focusNode) {
                widget.focusNode.focus({ preventScroll: true });
                return;
            }
            if (widget.focus) {
                widget.focus(); // focusable does not match Dijit's buttons
                return;
            }
            const target = widget.domNode.matches(focusable) ? widget.domNode : widget.domNode.querySelector(focusable);
            if (target) {
                window.focus(); // the surrounding page of the panel may have the focus
                target.focus({ preventScroll: Boolean(stay) });
            }
        },

        /* restoreFocus focuses a widget if nothing has the focus. The page stays where it is: the person looks at the result. */
        restoreFocus: function (widget) {
            if (nothingHasFocus()) {
                this.focus(widget, true);
            }
        },

        /* rowFocus keeps the focus on the button of a row while its list is drawn anew: begin is called before, and drawn with every
           new button. The buttons have no ids, because a grid may draw new ones before it destroys the old ones. */
        rowFocus: function () {
            const dom = this;
            const buttons = {}; // row → its button
            let wanted = ""; // the row whose button had the focus, or gets it
            return {
                begin: function () {
                    wanted = Object.keys(buttons).find(function (row) { return buttons[row].domNode && dom.hasFocus(buttons[row]); }) || wanted;
                },
                drawn: function (row, button) {
                    buttons[row] = button;
                    if (row === wanted) {
                        setTimeout(function () { // after the grid has inserted it
                            if (row === wanted && button === buttons[row]) {
                                wanted = "";
                                dom.restoreFocus(button);
                            }
                        });
                    }
                },
                /* focus focuses the button of a row, once it is there. */
                focus: function (row) {
                    if (buttons[row] && buttons[row].domNode) {
                        dom.focus(buttons[row]);
                    } else {
                        wanted = row;
                    }
                }
            };
        },

        /* disabler returns a function that disables widgets during an operation and enables them again. A disabled button
           loses the focus; it is focused again unless the focus has moved elsewhere. */
        disabler: function () {
            const dom = this;
            let focused = null;
            return function (widgets, is) {
                if (is) {
                    focused = widgets.find(dom.hasFocus) || focused;
                }
                widgets.forEach(function (one) { one.set("disabled", is); });
                if (!is && focused && widgets.indexOf(focused) >= 0) {
                    dom.restoreFocus(focused);
                    focused = null;
                }
            };
        },

        /* link adds a link after the text of a widget, or changes it so that it keeps the focus; an empty url removes it. */
        link: function (widget, text, url) {
            const old = widget.domNode.querySelector("a[data-azp-link]");
            if (!url) {
                if (old) {
                    old.remove();
                }
                return;
            }
            const a = old || document.createElement("a");
            a.setAttribute("data-azp-link", "");
            a.href = url;
            if (/^http/i.test(url)) { // a mail program needs no page
                a.target = "_blank";
                a.rel = "noopener noreferrer";
            }
            a.textContent = text;
            if (!old) {
                widget.domNode.appendChild(a);
            }
        },

        /* row arranges the children of a container in a line. */
        row: function (widget) {
            Object.assign(widget.domNode.style, { display: "flex", flexWrap: "wrap", gap: "8px", alignItems: "center" });
        },

        /* apart keeps a distance between a widget and its neighbours. */
        apart: function (widget) { widget.domNode.style.margin = "18px 0"; },

        /* strong draws a text with weight, or not. */
        strong: function (widget, is) { widget.domNode.style.fontWeight = is ? "600" : ""; },

        /* expanded says whether what a button shows and hides is shown. */
        expanded: function (widget, is) {
            buttonOf(widget).setAttribute("aria-expanded", String(is));
        },

        /* bar draws a line with marks, each {share, text}, of which the first is filled up to. Without marks it draws nothing. */
        bar: function (widget, marks) {
            const place = drawn(widget, "div", "");
            if (!marks) {
                place.replaceChildren();
                return;
            }
            const line = make("div", "position: relative; height: 10px; margin: 4px 0 8px; border: 1px solid; border-radius: 5px; color: #52606d");
            line.setAttribute("aria-hidden", "true");
            const filled = make("div", "position: absolute; inset-block: 0; inset-inline-start: 0; border-radius: 4px; background: #0b5cad");
            filled.style.width = [marks[0].share * 100, "%"].join("");
            line.appendChild(filled);
            marks.slice(0, -1).forEach(function (mark) {
                const tick = make("div", "position: absolute; inset-block: -5px; border-inline-start: 3px solid #1d2733");
                tick.style.insetInlineStart = [Math.min(mark.share * 100, 99), "%"].join("");
                line.appendChild(tick);
            });
            const legend = make("div", "display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 18px; font-size: .9em");
            marks.forEach(function (mark) { legend.appendChild(make("span", "", mark.text)); });
            place.replaceChildren(line, legend);
        },

        /* details draws a list of [label, text] that a person can unfold. */
        details: function (widget, title, rows) {
            const place = drawn(widget, "details", "");
            let list = place.querySelector("dl");
            if (!list) {
                list = make("dl", "display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 260px), 1fr)); gap: 12px 24px; margin: 12px 0 0");
                place.append(make("summary", "cursor: pointer; font-weight: 600; padding: 6px 0", title), list);
            }
            list.replaceChildren.apply(list, rows.map(function (row) {
                const pair = make("div", "min-width: 0; overflow-wrap: anywhere");
                pair.append(make("dt", "font-size: .86em; font-weight: 600; color: #52606d", row[0]), make("dd", "margin: 0", row[1]));
                return pair;
            }));
        },

        /* copy puts a text into the clipboard, and calls done(true), or done(false) when the browser does not allow it. A text
           that is still to come is a promise, and widget has to show it once it is there; without it, nothing is called. The
           clipboard gets the promise itself, because browsers let a page write only right after a press. */
        copy: function (text, widget, done) {
            const coming = text && text.then ? new Promise(function (resolve, reject) { text.then(resolve, reject); }) : null;
            const copyBySelection = function () {
                const field = input(widget);
                const before = document.activeElement;
                field.focus({ preventScroll: true });
                field.select();
                const copied = document.execCommand("copy");
                if (copied && before) {
                    before.focus({ preventScroll: true }); // if nothing was copied, the text stays selected so that the person can copy it
                }
                done(copied);
            };
            const fallBack = function () {
                if (coming) {
                    coming.then(copyBySelection, function () { /* the caller reports why there is no text */ });
                } else {
                    copyBySelection();
                }
            };
            const clipboard = navigator.clipboard;
            if (!clipboard || !(coming ? clipboard.write && window.ClipboardItem : clipboard.writeText)) {
                fallBack();
                return;
            }
            if (!coming) {
                clipboard.writeText(text).then(function () { done(true); }, fallBack);
                return;
            }
            const blob = coming.then(function (come) { return new Blob([come], { type: "text/plain" }); });
            blob.catch(function () { /* a browser that refuses at once doesn't look at it */ });
            clipboard.write([new window.ClipboardItem({ "text/plain": blob })]).then(function () { done(true); }, fallBack);
        }
    };
});
