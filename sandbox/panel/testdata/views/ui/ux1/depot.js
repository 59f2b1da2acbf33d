/* The provider's settings: a status that is read, a button that appears, a question before it acts. */
define(["dojo/_base/declare", "aps/xhr", "aps/Status", "aps/confirm", "aps/_View"], function (declare, xhr, Status, confirm, _View) {
    "use strict";
    return declare(_View, {
        init: function () {
            return [
                ["aps/Tiles", { id: this.genId("tiles"), description: _("Central management of the depot.") }, [
                    ["aps/Tile", {
                        id: this.genId("main"),
                        title: _("Depot"),
                        gridSize: "md-6 xs-12",
                        info: new Status({
                            id: this.genId("status"),
                            statusInfo: {
                                reading: { label: _("Reading"), type: "muted", isLoad: true, icon: "fa-spinner" },
                                fail: { label: _("Error"), type: "danger", icon: "fa-bolt" },
                                upgrade: { label: _("Upgrade Available"), type: "warning", icon: "fa-exclamation" },
                                upgrading: { label: _("Upgrading"), type: "warning", icon: "fa-exclamation", isLoad: true }
                            }
                        })
                    }, [["aps/Container", { class: "row" }, [["aps/FieldSet", { description: _("The depot has these settings:") }, [
                        ["aps/Output", { id: this.genId("owner"), gridSize: "md-6 xs-12", label: _("Owner") }]
                    ]]]]]]
                ]],
                ["aps/Output", { id: "depot_intro", escapeHTML: false, value: _("Read ") + "<a href='https://views.test/docs' target='_blank'>" + _("our documentation") + "</a>" }],
                ["aps/Hr"]
            ];
        },
        onContext: function () {
            const view = this;
            const depot = "/aps/2/resources/" + aps.context.vars.depot.aps.id;
            view.byId("status").set({ status: "reading" });
            view.byId("owner").set({ content: aps.context.vars.depot.owner });
            const failed = function (error) {
                view.byId("status").set({ status: "fail" });
                aps.apsc.displayMessage({ description: _("The depot could not be read: ") + error.message, type: "error" });
            };
            xhr.get(depot + "/healthCheck").then(function (health) {
                view.byId("status").set({ status: health.status });
                if (view.byId("upgrade") !== undefined) {
                    return;
                }
                view.byId("main").set({
                    buttons: [{
                        id: view.genId("upgrade"),
                        title: _("Upgrade"),
                        autoBusy: false,
                        visible: true,
                        onClick: function () {
                            confirm({ title: _("Upgrade Depot"), submitLabel: _("Yes"), cancelLabel: _("No"), description: _("Do you want to upgrade the depot now?") }).then(function (yes) {
                                if (yes === true) {
                                    aps.apsc.showLoading();
                                    xhr.post(depot + "/upgrade", { headers: { "Content-Type": "application/json" }, data: "{}" }).then(function () {
                                        view.byId("status").set({ status: "upgrading" });
                                        view.byId("upgrade").set({ disabled: true });
                                    }).otherwise(failed).always(() => aps.apsc.hideLoading());
                                }
                            });
                        }
                    }]
                });
            }).otherwise(failed);
            aps.apsc.hideLoading();
        }
    });
});
