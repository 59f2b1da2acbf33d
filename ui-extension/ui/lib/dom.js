/*
 * What assistive technology and the clipboard need and the platform's widgets have no property for.
 * It touches only the elements of our own widgets (domNode) and never writes markup.
 */
define([], function () {
    "use strict";

    const fields = "input:not([tabindex='-1']), textarea";
    const focusable = "button, a, " + fields;

    /* input is the field of a widget. Dijit's widgets name it: their element may be the field itself, or hold another
       one before it, which only draws an icon. */
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

        /* oneTime tells the browser not to remember or correct what is entered. */
        oneTime: function (widget) {
            const field = input(widget);
            if (field) {
                field.autocomplete = "off";
                field.spellcheck = false;
                field.setAttribute("autocapitalize", "off");
            }
        },

        /* secret hides what is entered, also from the browser's memory. */
        secret: function (widget) {
            this.oneTime(widget);
            const field = input(widget);
            if (field) {
                field.type = "password";
                field.autocomplete = "new-password";
            }
        },

        /* live announces changes of a text: "polite" waits for a pause, "assertive" does not. */
        live: function (widget, politeness) {
            widget.domNode.setAttribute("aria-live", politeness);
        },

        /* invalid makes the text of another widget the error of a field; null takes it away. A field that is to have
           the focus gets it before: Dijit's fields judge themselves when it comes. */
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

        focus: function (widget) {
            if (widget.focus) {
                widget.focus(); // Dijit's buttons are elements that nothing here would find
                return;
            }
            const target = widget.domNode.matches(focusable) ? widget.domNode : widget.domNode.querySelector(focusable);
            if (target) {
                window.focus(); // the panel's page around this one may have it
                target.focus();
            }
        },

        /* giveBack focuses a widget if nothing has the focus. */
        giveBack: function (widget) {
            if (nothingHasFocus()) {
                this.focus(widget);
            }
        },

        /* disabler returns a function that disables widgets while something runs, and enables them again. A button that is
           disabled loses the focus; it gets it back, unless somebody has gone on elsewhere. */
        disabler: function () {
            const dom = this;
            let focused = null;
            return function (widgets, is) {
                if (is) {
                    focused = widgets.find(function (one) { return one.domNode.contains(document.activeElement); }) || focused;
                }
                widgets.forEach(function (one) { one.set("disabled", is); });
                if (!is && focused && widgets.indexOf(focused) >= 0) {
                    dom.giveBack(focused);
                    focused = null;
                }
            };
        },

        /* link puts a plain link after the text of a widget; "" takes it away. */
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

        /* copy puts text into the clipboard and calls done(true), or done(false) when the browser does not allow it. */
        copy: function (text, widget, done) {
            const byHand = function () {
                const field = input(widget);
                const before = document.activeElement;
                field.focus();
                field.select();
                const copied = document.execCommand("copy");
                if (copied && before) {
                    before.focus(); // otherwise the text stays selected for a person to copy
                }
                done(copied);
            };
            if (!navigator.clipboard || !navigator.clipboard.writeText) {
                byHand();
                return;
            }
            navigator.clipboard.writeText(text).then(function () { done(true); }, byHand);
        }
    };
});
