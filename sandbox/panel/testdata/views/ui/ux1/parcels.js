/* A list whose cells are widgets, as in a reseller's list of products. */
define([
    "dojo/_base/declare",
    "aps/xhr",
    "dojo/promise/all",
    "aps/Store",
    "aps/Output",
    "dijit/registry",
    "aps/Button",
    "dojo/when",
    "aps/_View"
], function (declare, xhr, all, Store, Output, registry, Button, when, _View) {
    "use strict";
    return declare(_View, {
        init: function () {
            return [
                ["aps/Output", { type: "info", value: _("Manage the parcels of your account here."), closeable: false }],
                ["aps/Hr"],
                ["aps/Grid", { id: "parcels", noDataText: _("There are no parcels."), noEntriesFoundText: _("No parcel fits.") }]
            ];
        },
        onContext: function () {
            const depot = "/aps/2/resources/" + aps.context.vars.depot.aps.id;
            registry.byId("parcels").set({
                store: new Store({ target: depot + "/parcels", baseQuery: "sort(+id)", idProperty: "id" }),
                sort: { attribute: "route.to", descending: true },
                filters: { "id": "P-", "route.to": "" },
                columns: [
                    { name: _("Parcel"), field: "id", filter: true, sortable: true },
                    { name: _("To"), field: "route.to", filter: true, sortable: true },
                    {
                        name: _("Weight"),
                        field: "load.weight",
                        type: "integer",
                        renderCell: function (row) {
                            if (row.load) {
                                return row.load.weight;
                            }
                        }
                    },
                    { name: _("Sent"), field: "sent.at", type: "datetime" },
                    {
                        name: _("State"),
                        field: "state",
                        renderCell: (row) => new Output({ content: "<b>" + row.state + "</b>", escapeHTML: false })
                    },
                    {
                        name: _("Actions"),
                        field: "id",
                        renderCell: (row) => new Button({
                            id: "manage_" + row.id,
                            label: _("Manage"),
                            manageObject: row,
                            autoBusy: false,
                            onClick: function () {
                                const id = this.manageObject.id;
                                when(all([xhr.get(depot + "/parcels/" + id)]), function (found) {
                                    aps.apsc.gotoView("parcel", null, found[0]);
                                });
                            }
                        })
                    }
                ]
            });
            aps.apsc.hideLoading();
        }
    });
});
