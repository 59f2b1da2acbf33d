/* Widgets that screens of the platform use and ours do not (docs/reference/aps-ui.md §2.8). */
define("aps/Hr", ["aps/_Widget"], function (Widget) {
    "use strict";
    return class Hr extends Widget {
        build() { this.domNode = Widget.element("hr", "aps-hr"); }
    };
});

define("aps/Toolbar", ["aps/_Widget"], function (Widget) {
    "use strict";
    return class Toolbar extends Widget {
        build() {
            this.domNode = this.containerNode = Widget.element("div", "aps-toolbar");
            this.domNode.setAttribute("role", "toolbar");
        }
    };
});

define("aps/Select", ["aps/_Widget"], function (Widget) {
    "use strict";
    return class Select extends Widget {
        build() {
            this.input = Widget.element("select", "aps-input");
            this.input.id = this.id + "_input";
            this.input.addEventListener("change", () => this.changed("value", this.input.value));
            this.labelNode = Widget.element("label", "aps-label");
            this.labelNode.htmlFor = this.input.id;
            this.domNode = Widget.element("div", "aps-field", this.labelNode, this.input);
        }
        set_label(text) { this.labelNode.textContent = text; }
        set_options(list) {
            this.input.replaceChildren(...list.map((one) => new Option(one.label, one.value)));
            if (this.properties.value !== undefined) {
                this.input.value = this.properties.value;
            }
        }
        set_value(value) { this.input.value = value; }
        set_disabled(is) { this.input.disabled = is; }
        get(name) { return name === "value" ? this.input.value : super.get(name); }
        validate() { return !this.get("required") || this.input.value !== ""; }
    };
});

/* Tells something; the promise resolves when the person has read it. */
define("aps/alert", ["dojo/Deferred", "aps/_Widget"], function (Deferred, Widget) {
    "use strict";
    const { element } = Widget;
    return function (options) {
        const deferred = new Deferred();
        const close = element("button", "aps-button", options.submitLabel || _("OK"));
        const title = element("h2", "aps-title", options.title || "");
        const dialog = element("dialog", "aps-confirm", title, element("p", "", options.description), element("div", "aps-tile-buttons", close));
        title.id = "aps_alert_title";
        dialog.setAttribute("aria-labelledby", title.id);
        close.addEventListener("click", () => dialog.close());
        dialog.addEventListener("close", () => {
            dialog.remove();
            deferred.resolve(true);
        });
        document.body.appendChild(dialog);
        dialog.showModal();
        return deferred.promise;
    };
});
