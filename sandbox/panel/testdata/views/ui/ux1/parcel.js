/* Details: tiles with a status, HTML, a model that fields follow, buttons that come with the data, and a popup. */
define([
    "dojo/_base/declare",
    "aps/xhr",
    "dojo/promise/all",
    "aps/Memory",
    "aps/Container",
    "dojox/mvc/at",
    "dojox/mvc/getStateful",
    "aps/Status",
    "aps/ToolbarButton",
    "aps/_View"
], function (declare, xhr, all, Memory, Container, at, getStateful, Status, ToolbarButton, _View) {
    "use strict";
    const model = getStateful({ note: "", weight: { grams: 0 } });

    return declare(_View, {
        init: function () {
            return [
                ["aps/Tiles", { id: this.genId("tiles") }, [
                    ["aps/Tile", {
                        id: this.genId("parcel"),
                        gridSize: "md-6 xs-12",
                        info: new Status({
                            id: this.genId("state"),
                            gridSize: "md-12",
                            statusInfo: { open: { label: _("Open"), type: "warning", isLoad: true }, sealed: { label: _("Sealed"), type: "success" } }
                        })
                    }, [
                        ["aps/Container", { class: "row" }, [
                            ["aps/FieldSet", { gridSize: "md-3 xs-12" }, [["aps/Output", { id: this.genId("icon"), class: "col-md-12 col-xs-12", escapeHTML: false }]]],
                            ["aps/FieldSet", { gridSize: "md-9 xs-12" }, [
                                ["aps/Output", { id: this.genId("about"), label: _("About") }],
                                ["aps/Output", { id: this.genId("grams"), label: _("Weight"), value: at(model.get("weight"), "grams") }],
                                ["aps/TextBox", { id: this.genId("note"), label: _("Note"), value: at(model, "note") }],
                                ["aps/Output", { id: this.genId("echo"), label: _("Label"), value: at(model, "note") }]
                            ]]
                        ]]
                    ]],
                    ["aps/Tile", {
                        id: this.genId("parameters"),
                        gridSize: "md-6 xs-12",
                        title: _("Parameters"),
                        buttons: [{ id: this.genId("edit"), label: _("Edit"), type: "success", autoBusy: false }]
                    }, [["aps/Grid", { id: this.genId("grid"), noDataText: _("This parcel has no parameters."), columns: [] }]]]
                ]],
                ["aps/Toolbar", { id: this.genId("actions") }],
                ["aps/Tiles", {}, [["aps/Tile", { title: _("Story") }, [["aps/Output", { escapeHTML: false, id: this.genId("story") }]]]]]
            ];
        },
        onContext: function () {
            const view = this;
            const parcel = aps.context.params;
            const resource = "/aps/2/resources/" + aps.context.vars.depot.aps.id;
            view.byId("actions").removeAll();
            view.byId("parcel").set({ title: parcel.name });
            view.byId("state").set({ status: parcel.state });
            model.set("note", parcel.note);
            model.get("weight").set("grams", parcel.load.weight);
            view.byId("story").set({ content: "<em>" + parcel.story + "</em>" });
            view.byId("grid").set({
                store: new Memory({ data: parcel.params }),
                columns: [{ name: _("Parameter"), field: "title" }, { name: _("Value"), field: "value" }]
            });
            view.byId("edit").set({
                disabled: parcel.params.length === 0,
                onClick: function () {
                    aps.apsc.showPopup({ viewId: "edit", params: parcel, modal: false }).then(function (ended) {
                        if (ended.btnType === "submit") {
                            aps.apsc.displayMessage({ description: _("The parcel is being changed."), type: "info" });
                            view.byId("edit").set({ disabled: true });
                        }
                    });
                }
            });
            view.byId("actions").addChild(new ToolbarButton({ label: _("Back"), autoBusy: false, onClick: () => aps.apsc.gotoView("parcels") }));
            xhr.get(resource).then(function (depot) {
                const root = depot.aps.package.href;
                view.byId("icon").set({ content: '<img alt="" src="' + root + '/ui/images/logo.svg">' });
                return all([xhr.get(root + "/APP-META.xml", { handleAs: "xml" }), xhr.get(root + "/i18n/" + aps.context._locale + ".json").otherwise(() => ({}))]);
            }).then(function (read) {
                view.byId("about").set({ content: read[0].getElementsByTagName("description")[0].textContent });
                aps.apsc.hideLoading();
            });
        }
    });
});
