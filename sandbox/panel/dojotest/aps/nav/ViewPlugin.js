/* The base of a tile on the home page. */
define(["dojo/_base/declare", "../View"], function (declare, View) {
    return declare("aps.nav.ViewPlugin", View, {});
});
