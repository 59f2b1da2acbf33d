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

    const nothingHasFocus = function () {
        const active = document.activeElement;
        return !active || active === document.body || active.disabled === true;
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

        /* onInput calls act with the text of a field whenever a person changes it. */
        onInput: function (widget, act) {
            const field = input(widget);
            if (field) {
                field.addEventListener("input", function () { act(field.value); });
            }
        },

        /* live makes screen readers announce changes of a text: "polite" waits for a pause, "assertive" interrupts. */
        live: function (widget, politeness) {
            widget.domNode.setAttribute("aria-live", politeness);
        },

        /* pressed says whether what a button switches is on. */
        pressed: function (widget, is) {
            const target = widget.domNode.matches("button") ? widget.domNode : widget.focusNode || widget.domNode.querySelector("button") || widget.domNode;
            target.setAttribute("aria-pressed", String(is));
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

        /* disabler returns a function that disables widgets during an operation and enables them again. A disabled button
           loses the focus; it is focused again unless the focus has moved elsewhere. */
        disabler: function () {
            const dom = this;
            let focused = null;
            return function (widgets, is) {
                if (is) {
                    focused = widgets.find(function (one) { return one.domNode.contains(document.activeElement); }) || focused;
                }
                widgets.forEach(function (one) { one.set("disabled", is); });
                if (!is && focused && widgets.indexOf(focused) >= 0) {
                    dom.restoreFocus(focused);
                    focused = null;
                }
            };
        },

        /* link adds a link after the text of a widget; an empty url removes it. */
        link: function (widget, text, url) {
            const old = widget.domNode.querySelector("a[data-azp-link]");
            if (old) {
                old.parentNode.removeChild(old);
            }
            if (!url) {
                return;
            }
            const a = document.createElement("a");
            a.setAttribute("data-azp-link", "");
            a.href = url;
            a.target = "_blank";
            a.rel = "noopener noreferrer";
            a.textContent = text;
            widget.domNode.appendChild(a);
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
