/*
 * The few things for which the platform's widgets have no property: what assistive technology and the clipboard need.
 * It touches only the elements of our own widgets (domNode) and never writes markup.
 */
define([], function () {
    "use strict";

    const fields = "input, textarea";
    const focusable = "button, a, input, textarea";

    const input = function (widget) {
        return widget.domNode.querySelector(fields);
    };

    return {
        /* readOnly keeps the text of a field as it is; it can still be selected. */
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

        /* live makes changes of a text heard: "polite" waits for a pause, "assertive" does not. */
        live: function (widget, politeness) {
            widget.domNode.setAttribute("aria-live", politeness);
        },

        /* invalid ties the text of another widget to a field as its error; null takes it away. */
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
            field.focus();
        },

        focus: function (widget) {
            const target = widget.domNode.matches(focusable) ? widget.domNode : widget.domNode.querySelector(focusable);
            if (target) {
                target.focus();
            }
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
                field.focus();
                field.select();
                done(document.execCommand("copy"));
            };
            if (!navigator.clipboard || !navigator.clipboard.writeText) {
                byHand();
                return;
            }
            navigator.clipboard.writeText(text).then(function () { done(true); }, byHand);
        }
    };
});
