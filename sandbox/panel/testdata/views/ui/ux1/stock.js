/* Several answers at once, of which one may be missing; widgets that a later visit replaces. */
define(["dojo/_base/declare", "aps/xhr", "dojo/promise/all", "aps/Output", "aps/alert", "aps/_View"], function (declare, xhr, all, Output, alert, _View) {
    "use strict";
    return declare(_View, {
        init: function () {
            return [
                ["aps/Tiles", { id: this.genId("tiles"), visible: true }, [["aps/Tile", { id: this.genId("tile"), title: _("Stock") }, [
                    ["aps/FieldSet", { id: this.genId("set") }, [["aps/Output", { id: this.genId("count"), label: _("Parcels in stock") }]]]
                ]]]],
                ["aps/Hr"],
                ["aps/Toolbar", { id: this.genId("tools") }, [["aps/ToolbarButton", {
                    id: this.genId("about"),
                    label: _("About"),
                    autoBusy: false,
                    onClick: function () {
                        alert({ title: _("About the Depot"), description: _("It was counted a moment ago.") }).then(() => aps.apsc.displayMessage(_("You know it all.")));
                    }
                }]]]
            ];
        },
        onContext: function () {
            const view = this;
            const depot = "/aps/2/resources/" + aps.context.vars.depot.aps.id;
            all([xhr.get(depot + "/parcels"), xhr.get(depot + "/missing").otherwise(() => ({ note: _("No forecast") }))]).then(function (answers) {
                view.byId("count").set({ content: answers[0].length });
                if (view.byId("forecast")) {
                    view.byId("forecast").destroy();
                }
                view.byId("set").addChild(new Output({ id: view.genId("forecast"), label: _("Forecast"), value: answers[1].note }));
                aps.apsc.hideLoading();
            });
        }
    });
});
