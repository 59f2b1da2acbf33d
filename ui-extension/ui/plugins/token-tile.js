/*
 * The tile on the home page of resellers in UX1: state, days left, and a button that opens the screen. It runs in the page
 * of the dashboard, which is another package, where "app" is not ours; so it and its modules require each other by
 * relative names.
 */
define([
    "dojo/_base/declare",
    "aps/nav/ViewPlugin",
    "aps/Tile",
    "aps/Status",
    "aps/Output",
    "../lib/connector"
], function (declare, ViewPlugin, Tile, Status, Output, connector) {
    "use strict";

    const { operations: operationsOf, words } = connector;

    /* screenOf returns the screen's name for other packages: the package's id is the beginning of its types' ids. */
    const screenOf = function (tenant) {
        return String(tenant.aps.type || "").replace(/\/tenant\/[0-9.]+$/, "") + "#token";
    };

    return declare(ViewPlugin, {
        init: function (mediator) {
            const plugin = this;
            const tile = new Tile({
                id: this.genId("tile"),
                title: _("Azure Partner (NCE)", this),
                gridSize: "md-4 xs-12",
                info: new Status({ id: this.genId("state"), statusInfo: words.states(function (text) { return _(text, plugin); }), status: "loading" })
            });
            tile.addChild(new Output({ id: this.genId("valid"), label: _("Valid Until", this), value: "" }));
            mediator.getWidget = function () { return tile; };
        },

        onContext: function (context) {
            const plugin = this;
            const t = function (text, params) { return params ? _(text, words.plain(params), plugin) : _(text, plugin); };
            const tenant = operationsOf.choose(context.vars.tenant, context.subscriptionId).tenant;
            if (!tenant) {
                this.byId("tile").set("visible", false);
                return;
            }
            this.byId("tile").set("buttons", [{
                id: this.genId("open"),
                title: t("Manage Refresh Token"),
                autoBusy: false,
                onClick: function () { aps.apsc.gotoView(screenOf(tenant)); }
            }]);
            operationsOf(tenant.aps.id).tokenStatus().then(function (s) {
                plugin.byId("state").set("status", s.state);
                plugin.byId("valid").set("value", words.validUntil(t, s));
            }, function () {
                plugin.byId("state").set("status", "unknown");
                plugin.byId("valid").set("value", t("Unknown"));
            });
        }
    });
});
