/*
 * The part of the panel that runs in the frame: context, messages, calls and the opening of views. The panel itself is
 * the page around the frame, on the same host; its interface is panelHost.
 */
define("aps/_frame", ["dijit/registry"], function (registry) {
    "use strict";

    const host = window.parent !== window ? window.parent.panelHost : null;
    const root = (window.dojoConfig && window.dojoConfig.packages || []).filter((p) => p.name === "app").map((p) => p.location.replace(/\/ui$/, ""))[0] || "";
    const views = new Map(); // view id → {view, node}
    let shown = null;
    let page = null;
    let attached = null;
    let popup = null; // the open popup: {view, dialog, before: context below it, done}

    function translate(catalogue) {
        // A view passes itself; the view of a tile has the texts of another package than the page.
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

    /* showPopup opens a view above the shown one; the promise resolves to what ended it. */
    function showPopup(options) {
        return Promise.all([host.popup(options.viewId, options.params), new Promise((done) => require(["aps/load", "dojo/Deferred"], (...given) => done(given)))])
            .then(([{ spec, context }, [load, Deferred]]) => new Promise((done) => {
                require([root + "/" + spec.src], (View) => {
                    const ended = new Deferred();
                    const view = new View({ id: spec.id + "_popup", root });
                    const body = document.createElement("div");
                    const title = document.createElement("h2");
                    const dialog = document.createElement("dialog");
                    const foot = document.createElement("div");
                    title.className = "aps-title";
                    title.id = "aps_popup_title";
                    title.textContent = spec.label;
                    foot.className = "aps-tile-buttons";
                    dialog.className = "aps-confirm aps-popup aps-popup-" + (view.size || "md");
                    dialog.setAttribute("aria-labelledby", title.id);
                    dialog.append(title, body, foot);
                    foot.append(...(spec.controls || []).map((control) => {
                        const button = document.createElement("button");
                        button.type = "button";
                        button.className = "aps-button";
                        button.textContent = control.label;
                        button.addEventListener("click", () => {
                            host.loading(true);
                            view["on" + control.handler]();
                        });
                        return button;
                    }));
                    dialog.addEventListener("cancel", (event) => { // the key Escape
                        event.preventDefault();
                        view.onCancel();
                    });
                    popup = { view, dialog, before: aps.context, done: ended.resolve };
                    aps.context = context;
                    load(view.init(), body).then((made) => {
                        popup.widgets = [].concat(made);
                        document.body.appendChild(dialog);
                        dialog.showModal();
                        host.loading(true);
                        view.onShow();
                        view.onContext(context);
                        done(ended.promise);
                    });
                });
            }));
    }

    /* endPopup closes the popup and passes on which button ended it. */
    function endPopup(btnType, data) {
        const ended = popup;
        popup = null;
        if (!ended) {
            return;
        }
        ended.view.onHide();
        ended.widgets.forEach((widget) => widget.destroyRecursive());
        ended.dialog.remove();
        aps.context = ended.before;
        host.loading(false);
        ended.done(Object.assign({ btnType }, data));
    }

    function leave() {
        endPopup("cancel");
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
            // The view is required by its file name, as on the platform, so that dependencies without ".js" are resolved
            // from its folder.
            require([root + "/" + spec.src, "aps/load"], (View, load) => {
                const entry = { view: new View({ id: spec.id, root }), node: document.createElement("div") };
                page.containerNode.appendChild(entry.node);
                views.set(spec.id, entry);
                load(entry.view.init(), entry.node).then(() => done(entry));
            });
        });
    }

    const controller = {
        /* open shows a view with its context; the view hides the loading indicator (docs/reference/aps-ui.md §2.2). */
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
        /* notify handles a notification of the platform by passing the view its context again. */
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
            gotoView: (view, resource, params) => host.goto(view, params),
            showPopup
        }
    };

    return {
        /* attach connects the frame to the panel once and returns context and language. */
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
        endPopup,
        locale: () => document.documentElement.lang.replace("-", "_"),
        root
    };
});
