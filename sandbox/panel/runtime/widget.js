/* The base of all widgets, their creation from arrays, and the two containers of a page. */
define("aps/_Widget", ["dijit/registry"], function (registry) {
    "use strict";

    let made = 0;

    /* element makes an element with a class, a text and children. */
    function element(name, cssClass, ...content) {
        const node = document.createElement(name);
        if (cssClass) {
            node.className = cssClass;
        }
        content.forEach((part) => node.append(part));
        return node;
    }

    class Widget {
        constructor(properties) {
            const given = Object.assign({}, properties);
            made += 1;
            this.id = given.id || "aps_widget_" + made;
            delete given.id;
            registry.add(this);
            this.children = [];
            this.properties = {};
            this.carried = new Set(); // names of properties that only the screen knows
            this.bindings = {}; // property → {target, targetProp}
            this.watches = [];
            this.build(given);
            this.domNode.id = this.id;
            this.set(given);
        }

        /* build sets domNode and, for containers, containerNode. */
        build() {
            this.domNode = this.containerNode = element("div");
        }

        /* set stores a property and calls its setter, set_<name>, if there is one. */
        set(name, value) {
            if (typeof name === "object") {
                Object.keys(name).forEach((key) => this.set(key, name[key]));
                return this;
            }
            if (value && value.atsignature === "dojox.mvc.at") {
                this.bind(name, value);
                return this;
            }
            const setter = this["set_" + name];
            // Like a widget of Dojo's, it carries properties that it does not know, so that handlers can read them from this.
            if (!setter && (this.carried.has(name) || !(name in this))) {
                this.carried.add(name);
                this[name] = value;
            }
            this.properties[name] = value;
            if (setter) {
                setter.call(this, value);
            }
            return this;
        }

        /* bind makes a property follow that of a model, which gets the changes of the person. */
        bind(name, at) {
            this.bindings[name] = at;
            this.watches.push(at.target.watch(at.targetProp, (_name, _before, value) => this.set(name, value)));
            this.set(name, at.target.get(at.targetProp));
        }

        /* changed is called when the person has changed a property. */
        changed(name, value) {
            const at = this.bindings[name];
            if (at) {
                at.target.set(at.targetProp, value);
            }
        }

        get(name) { return this.properties[name]; }

        set_gridSize(size) {
            String(size).split(/\s+/).filter(Boolean).forEach((part) => this.domNode.classList.add("col-" + part));
        }

        set_class(names) { String(names).split(/\s+/).filter(Boolean).forEach((name) => this.domNode.classList.add(name)); }
        set_visible(visible) { this.domNode.hidden = !visible; }

        addChild(child) {
            this.children.push(child);
            child.parent = this;
            this.containerNode.appendChild(child.domNode);
        }

        getChildren() { return this.children.slice(); }

        removeAll() { this.getChildren().forEach((child) => child.destroyRecursive()); }

        destroy() { this.destroyRecursive(); }

        destroyRecursive() {
            this.removeAll();
            this.watches.forEach((watch) => watch.remove());
            if (this.parent) {
                this.parent.children = this.parent.children.filter((child) => child !== this);
            }
            registry.remove(this.id);
            this.domNode.remove();
        }
    }
    Widget.element = element;
    return Widget;
});

/* load creates widgets from [type, properties, children], or from a list of those, in a node. */
define("aps/load", ["dojo/when"], function (when) {
    "use strict";

    const isWidget = (tree) => Array.isArray(tree) && typeof tree[0] === "string";
    const list = (trees) => (isWidget(trees) ? [trees] : trees || []);
    const childrenOf = (tree) => tree.slice(1).find(Array.isArray);
    const propertiesOf = (tree) => tree.slice(1).find((part) => part && !Array.isArray(part));

    const types = (trees) => list(trees).flatMap((tree) => (isWidget(tree) ? [tree[0], ...types(childrenOf(tree))] : types(tree)));

    function make(tree, classes) {
        const widget = new (classes.get(tree[0]))(propertiesOf(tree));
        list(childrenOf(tree)).forEach((child) => widget.addChild(make(child, classes)));
        return widget;
    }

    return function (tree, place) {
        const names = Array.from(new Set(types(tree)));
        const loaded = new Promise((done) => {
            require(names, (...found) => done(new Map(names.map((name, i) => [name, found[i]]))));
        });
        return when(loaded.then((classes) => {
            const widgets = list(tree).map((one) => make(one, classes));
            const node = typeof place === "string" ? document.getElementById(place) : place;
            widgets.forEach((widget) => (node || document.body).appendChild(widget.domNode));
            return isWidget(tree) ? widgets[0] : widgets;
        }));
    };
});

define("aps/Message", ["aps/_Widget", "aps/_icon"], function (Widget, icon) {
    "use strict";
    const icons = { info: "fa-info", warning: "fa-exclamation", error: "fa-bolt" };
    const { element } = Widget;

    return class Message extends Widget {
        build(given) {
            const type = icons[given.type] ? given.type : "info";
            this.text = element("div", "aps-message-text");
            const close = element("button", "aps-message-close", "×");
            close.type = "button";
            close.setAttribute("aria-label", _("Close"));
            close.addEventListener("click", () => this.destroyRecursive());
            this.domNode = element("div", "aps-message aps-message-" + type, icon(icons[type]), this.text, close);
            this.domNode.setAttribute("role", type === "error" ? "alert" : "status");
        }
        set_description(text) { this.text.textContent = text; }
    };
});

define("aps/MessageList", ["aps/_Widget"], function (Widget) {
    "use strict";
    return class MessageList extends Widget {
        build() {
            super.build();
            this.domNode.className = "aps-messages";
        }
        addChild(message) {
            super.addChild(message);
            message.domNode.scrollIntoView({ block: "nearest" });
        }
    };
});

/* The page of a screen. It contains the list of messages with the fixed id "messageList". */
define("aps/PageContainer", ["aps/_Widget", "aps/Message", "aps/MessageList", "aps/_frame"], function (Widget, Message, MessageList, frame) {
    "use strict";
    return class PageContainer extends Widget {
        build() {
            this.messages = new MessageList({ id: "messageList" });
            this.containerNode = Widget.element("div", "aps-page-content");
            this.domNode = Widget.element("div", "aps-page", this.messages.domNode, this.containerNode);
            frame.pageLoaded(this);
        }
        display(message) { this.messages.addChild(new Message(typeof message === "string" ? { description: message } : message)); }
    };
});

define("aps/Container", ["aps/_Widget"], function (Widget) {
    "use strict";
    return class Container extends Widget {};
});
