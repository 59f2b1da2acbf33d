/* The home page of UX1: tiles that packages plug in (docs/reference/aps-ui.md §2.2). */
define("aps/_dashboard", ["aps/load", "dijit/registry"], function (load, registry) {
    "use strict";
    const catalogueOf = (root) => fetch(root + "/i18n/" + document.documentElement.lang.replace("-", "_") + ".json")
        .then((answer) => (answer.ok ? answer.json() : {})).catch(() => ({}));

    /* A tile's module provides its widget through mediator.getWidget and fills it when the context arrives. As real
       packages expect, its module id contains the package's, so that relative dependencies are resolved within the
       package. */
    function plug(tile) {
        const root = "/aps/2/packages/" + encodeURIComponent(tile.package);
        const module = "pacs/" + tile.package + "/" + tile.src.replace(/\.js$/, "");
        return catalogueOf(root).then((catalogue) => new Promise((done) => {
            require([module], (Plugin) => {
                const plugin = new Plugin({ id: tile.id, root });
                const mediator = {};
                plugin.catalogue = catalogue;
                plugin.init(mediator);
                registry.byId("tiles").addChild(mediator.getWidget());
                plugin.onContext(tile.context);
                done();
            });
        }));
    }

    return {
        fill: function () {
            return load(["aps/PageContainer", { id: "dashboard" }, [["aps/Tiles", { id: "tiles" }]]], "aps-frame")
                .then(() => window.parent.panelHost.tiles()).then((tiles) => Promise.all(tiles.map(plug)));
        }
    };
});
