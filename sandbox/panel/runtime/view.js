/* The plugin that waits for context and texts, and the base of a package's view (docs/reference/aps-ui.md §2.2). */
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

/* Screens of the platform use the base class by this name, too. */
define("aps/_View", ["aps/View"], (View) => View);

/* The base of a popup, which ends itself (docs/reference/aps-ui.md §2.2). */
define("aps/_PopupView", ["aps/View", "aps/_frame"], function (View, frame) {
    "use strict";
    return class PopupView extends View {
        submit(data) { frame.endPopup("submit", data); }
        cancel() { frame.endPopup("cancel"); }
        onCancel() { this.cancel(); }
    };
});

define("aps/nav/ViewPlugin", ["aps/View"], function (View) {
    "use strict";
    return class ViewPlugin extends View {};
});
