/*
 * The frame's side of the panel: context, messages, calls and the opening of views. The panel itself is the page
 * around the frame, on the same host; it offers panelHost.
 */
define("aps/_frame", ["dijit/registry"], function (registry) {
    "use strict";

    const host = window.parent !== window ? window.parent.panelHost : null;
    const root = (window.dojoConfig && window.dojoConfig.packages || []).filter((p) => p.name === "app").map((p) => p.location.replace(/\/ui$/, ""))[0] || "";
    const views = new Map(); // view id → {view, node}
    let shown = null;
    let page = null;
    let attached = null;

    function translate(catalogue) {
        // A view hands itself in; that of a plugged-in tile names another package's texts than the page's.
        const isView = (given) => Boolean(given) && typeof given.genId === "function";
        return function (text, ...given) {
            const values = given.find((one) => one && !isView(one)) || {};
            const view = given.find(isView);
            const words = view && view.catalogue || catalogue;
            return Object.keys(values).reduce((filled, name) => filled.split("__" + name + "__").join(String(values[name])), words[text] || text);
        };
    }

    function readCatalogue(locale) {
        return !root ? Promise.resolve({}) : fetch(root + "/i18n/" + locale + ".json").then((answer) => (answer.ok ? answer.json() : {})).catch(() => ({}));
    }

    function leave() {
        const left = shown;
        shown = null;
        if (left) {
            left.view.onHide();
            left.node.hidden = true;
        }
        registry.byId("messageList").removeAll();
    }

    function make(spec) {
        return new Promise((done) => {
            // As the platform does, by file: dependencies without ".js" are then found from its folder.
            require([root + "/" + spec.src, "aps/load"], (View, load) => {
                const entry = { view: new View({ id: spec.id, root }), node: document.createElement("div") };
                page.containerNode.appendChild(entry.node);
                views.set(spec.id, entry);
                load(entry.view.init(), entry.node).then(() => done(entry));
            });
        });
    }

    const controller = {
        /* open shows a view with its context; the view ends the loading by itself (aps-ui.md §2.2). */
        open: function (spec, context) {
            leave();
            aps.context = context;
            return Promise.resolve(views.get(spec.id) || make(spec)).then((entry) => {
                shown = entry;
                entry.node.hidden = false;
                entry.view.onShow();
                entry.view.onContext(context);
            });
        },
        /* notify is what a notification of the platform causes: the context again. */
        notify: function () {
            if (shown) {
                shown.view.onContext(aps.context);
            }
        },
        leave,
        press: function (button) {
            const target = shown ? shown.view : aps.app;
            const handler = target["on" + button];
            if (handler) {
                handler.call(target);
            }
        }
    };

    window.aps = {
        context: {},
        app: {},
        apsc: {
            showLoading: () => host.loading(true),
            hideLoading: () => host.loading(false),
            cancelProcessing: () => host.loading(false),
            displayMessage: function (message) {
                this.removeMessage(message.id);
                page.display(message);
            },
            removeMessage: function (id) {
                const message = id && registry.byId(id);
                if (message) {
                    message.destroyRecursive();
                }
            },
            removeAllMessages: () => registry.byId("messageList").removeAll(),
            gotoView: (view, resource, params) => host.goto(view, params)
        }
    };

    return {
        /* attach joins the frame to the panel once and brings context and language. */
        attach: function () {
            if (!host) {
                return Promise.reject(new Error("This page works only inside the panel."));
            }
            attached = attached || Promise.resolve(host.attach(window)).then((given) => {
                document.documentElement.lang = given.locale.replace("_", "-");
                aps.context = given.context;
                return readCatalogue(given.locale).then((catalogue) => {
                    window._ = translate(catalogue);
                    return given;
                });
            });
            return attached;
        },
        pageLoaded: function (container) {
            page = container;
            host.loaded(window, controller);
        },
        token: () => host.token(),
        locale: () => document.documentElement.lang.replace("-", "_"),
        root
    };
});

/* The plugin after which context and texts are there. */
define("aps/ready", ["aps/_frame"], function (frame) {
    "use strict";
    return { load: (name, toURL, done, fail) => frame.attach().then(done, fail) };
});

define("aps/View", ["dijit/registry"], function (registry) {
    "use strict";
    return class View {
        constructor(options) {
            this.id = options.id;
            this.root = options.root;
        }
        genId(name) { return this.id + "_" + name; }
        byId(name) { return registry.byId(this.genId(name)); }
        buildStaticURL(path) { return this.root + "/" + path; }
        init() { return []; }
        onShow() {}
        onContext() { aps.apsc.hideLoading(); }
        onHide() {}
    };
});

/* Calls of the platform's API. Every one carries the token of the session, which a foreign page cannot know. */
define("aps/xhr", ["dojo/Deferred", "aps/_frame"], function (Deferred, frame) {
    "use strict";

    function failed(message, request, url) {
        const error = new Error(message);
        error.response = { url, status: request.status, text: request.responseText, xhr: request };
        return error;
    }

    function xhr(url, options) {
        const given = Object.assign({ method: "GET", handleAs: "json" }, options);
        const deferred = new Deferred();
        const request = new XMLHttpRequest();
        request.open(given.method, url);
        request.timeout = given.timeout || 0;
        Object.entries(given.headers || {}).forEach(([name, value]) => request.setRequestHeader(name, value));
        request.setRequestHeader("APS-Token", frame.token());
        request.setRequestHeader("APS-Locale", frame.locale());
        request.onload = () => {
            if (request.status < 200 || request.status >= 300) {
                deferred.reject(failed("Unable to load " + url + " status: " + request.status, request, url));
                return;
            }
            try {
                deferred.resolve(given.handleAs === "json" ? JSON.parse(request.responseText || "null") : request.responseText);
            } catch (notJSON) {
                deferred.reject(notJSON);
            }
        };
        request.onerror = () => deferred.reject(failed("Unable to load " + url, request, url));
        request.ontimeout = () => deferred.reject(failed("Timeout exceeded", request, url));
        request.send(given.data);
        return deferred.promise;
    }
    const method = (name) => (url, options) => xhr(url, Object.assign({}, options, { method: name }));
    return Object.assign(xhr, { get: method("GET"), post: method("POST"), put: method("PUT"), del: method("DELETE") });
});

/* A question before harm is done; the promise tells true or false. */
define("aps/confirm", ["dojo/Deferred", "aps/_Widget"], function (Deferred, Widget) {
    "use strict";
    const { element } = Widget;
    return function (question) {
        const deferred = new Deferred();
        const cancel = element("button", "aps-button", question.cancelLabel || _("Cancel"));
        const submit = element("button", "aps-button aps-button-danger", question.submitLabel || _("OK"));
        const title = element("h2", "aps-title", question.title);
        const text = element("p", "", question.description);
        const dialog = element("dialog", "aps-confirm", title, text, element("div", "aps-tile-buttons", cancel, submit));
        title.id = "aps_confirm_title";
        text.id = "aps_confirm_text";
        dialog.setAttribute("aria-labelledby", title.id);
        dialog.setAttribute("aria-describedby", text.id);
        cancel.addEventListener("click", () => dialog.close());
        submit.addEventListener("click", () => dialog.close("yes"));
        dialog.addEventListener("close", () => {
            dialog.remove();
            deferred.resolve(dialog.returnValue === "yes");
        });
        document.body.appendChild(dialog);
        dialog.showModal();
        return deferred.promise;
    };
});
