/* What a tile of the home page is made from. */
define(["dojo/_base/declare", "../View"], function (declare, View) {
    return declare("aps.nav.ViewPlugin", View, {});
});
