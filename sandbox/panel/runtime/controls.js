/* The widgets of a form: groups, texts, fields, buttons. */
define("aps/_icon", [], function () {
    "use strict";
    // Drawn on a grid of 16 by 16, by the names of Font Awesome that screens use.
    const paths = {
        "fa-check": "M3 8.5l3.5 3.5L13 4.5",
        "fa-times": "M4 4l8 8M12 4l-8 8",
        "fa-minus": "M3.5 8h9",
        "fa-exclamation": "M8 3v6M8 12.5v.5",
        "fa-bolt": "M9 2L4.5 9H8l-1 5 4.5-7H8z",
        "fa-clock-o": "M8 2.5a5.5 5.5 0 1 0 .01 0M8 5v3.2l2.2 1.6",
        "fa-question": "M5.6 6a2.4 2.4 0 1 1 3.6 2.1c-.8.5-1.2.9-1.2 1.9M8 12.5v.5",
        "fa-info": "M8 7v5.5M8 3.5v.5",
        "fa-spinner": "M8 2.5a5.5 5.5 0 1 1-5.5 5.5",
        "fa-key": "M6 10a3 3 0 1 1 0-.01M8.6 8.4L13 4M11.5 5.5l1.8 1.8"
    };
    return function (name) {
        const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        svg.setAttribute("viewBox", "0 0 16 16");
        svg.setAttribute("class", "aps-icon");
        svg.setAttribute("aria-hidden", "true");
        const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
        path.setAttribute("d", paths[name] || paths["fa-info"]);
        svg.appendChild(path);
        return svg;
    };
});

define("aps/Panel", ["aps/_Widget"], function (Widget) {
    "use strict";
    return class Panel extends Widget {
        build() {
            this.titleNode = Widget.element("h2", "aps-title");
            this.containerNode = Widget.element("div", "aps-panel-body");
            this.domNode = Widget.element("section", "aps-panel", this.titleNode, this.containerNode);
            this.titleNode.id = this.id + "_title";
            this.domNode.setAttribute("aria-labelledby", this.titleNode.id);
        }
        set_title(title) { this.titleNode.textContent = title; }
    };
});

define("aps/FieldSet", ["aps/_Widget"], function (Widget) {
    "use strict";
    return class FieldSet extends Widget {
        build() {
            this.titleNode = Widget.element("h3", "aps-fieldset-title");
            this.descriptionNode = Widget.element("p", "aps-fieldset-description");
            this.containerNode = Widget.element("div", "aps-row");
            this.domNode = Widget.element("div", "aps-fieldset", this.titleNode, this.descriptionNode, this.containerNode);
        }
        set_title(title) { this.titleNode.textContent = title === true ? "" : title; }
        set_description(text) { this.descriptionNode.textContent = text; }
        validate() { return this.children.every((child) => !child.validate || child.validate()); }
    };
});

define("aps/Output", ["aps/_Widget"], function (Widget) {
    "use strict";
    return class Output extends Widget {
        build(given) {
            this.valueNode = Widget.element("div", "aps-output-value");
            this.domNode = Widget.element("div", "aps-output");
            if (given.label) {
                this.domNode.append(Widget.element("div", "aps-label", given.label));
                this.domNode.classList.add("aps-labelled");
            }
            this.domNode.append(this.valueNode);
        }
        /* The platform shows a value as HTML when escapeHTML is false. Then the screen answers for what it shows. */
        set_escapeHTML(is) {
            this.raw = is === false;
            this.show();
        }
        set_value(value) {
            this.shown = value === undefined || value === null ? "" : value;
            this.show();
        }
        set_content(value) { this.set_value(value); }
        show() {
            if (this.raw) {
                this.valueNode.innerHTML = this.shown === undefined ? "" : this.shown;
            } else {
                this.valueNode.textContent = this.shown === undefined ? "" : this.shown;
            }
        }
    };
});

define("aps/TextBox", ["aps/_Widget"], function (Widget) {
    "use strict";
    return class TextBox extends Widget {
        build() {
            this.input = this.make();
            this.input.id = this.id + "_input";
            this.labelNode = Widget.element("label", "aps-label");
            this.labelNode.htmlFor = this.input.id;
            this.hintNode = Widget.element("div", "aps-hint");
            this.domNode = Widget.element("div", "aps-field", this.labelNode, this.input, this.hintNode);
        }
        make() {
            const input = Widget.element("input", "aps-input");
            input.type = "text";
            input.addEventListener("input", () => this.changed("value", input.value));
            return input;
        }
        set_label(text) { this.labelNode.textContent = text; }
        set_hint(text) { this.hintNode.textContent = text; }
        set_placeHolder(text) { this.input.placeholder = text; }
        set_disabled(is) { this.input.disabled = is; }
        set_value(value) { this.input.value = value; }
        get(name) { return name === "value" ? this.input.value : super.get(name); }
        validate() { return !this.get("required") || this.input.value !== ""; }
    };
});

define("aps/TextArea", ["aps/_Widget", "aps/TextBox"], function (Widget, TextBox) {
    "use strict";
    return class TextArea extends TextBox {
        make() {
            const area = Widget.element("textarea", "aps-input aps-area");
            area.addEventListener("input", () => this.changed("value", area.value));
            return area;
        }
    };
});

define("aps/Button", ["aps/_Widget", "aps/_icon"], function (Widget, icon) {
    "use strict";
    return class Button extends Widget {
        build() {
            this.labelNode = Widget.element("span");
            this.domNode = Widget.element("button", "aps-button", this.labelNode);
            this.domNode.type = "button";
            this.domNode.addEventListener("click", () => this.click());
        }
        click() {
            if (this.get("isBusy")) {
                return;
            }
            if (this.get("autoBusy") !== false) {
                this.set("isBusy", true);
            }
            if (this.properties.onClick) {
                this.properties.onClick.call(this);
            }
        }
        cancel() { this.set("isBusy", false); }
        set_label(text) { this.labelNode.textContent = text; }
        set_title(text) { this.labelNode.textContent = text; }
        set_type(type) { this.domNode.classList.add("aps-button-" + type); }
        set_iconClass(name) { this.domNode.prepend(icon(name)); }
        set_disabled(is) { this.domNode.disabled = Boolean(is); }
        set_isBusy(is) { this.domNode.setAttribute("aria-busy", String(Boolean(is))); }
    };
});

define("aps/ToolbarButton", ["aps/Button"], function (Button) {
    "use strict";
    return class ToolbarButton extends Button {};
});

define("aps/Status", ["aps/_Widget", "aps/_icon"], function (Widget, icon) {
    "use strict";
    return class Status extends Widget {
        build() {
            this.domNode = Widget.element("span", "aps-status");
        }
        set_status(key) {
            const info = (this.get("statusInfo") || {})[key] || { label: String(key), type: "muted" };
            this.domNode.className = "aps-status aps-status-" + (info.type || "muted") + (info.isLoad ? " aps-status-load" : "");
            this.domNode.dataset.status = key;
            this.domNode.replaceChildren(icon(info.icon || "fa-info"), Widget.element("span", "", info.label));
        }
    };
});
