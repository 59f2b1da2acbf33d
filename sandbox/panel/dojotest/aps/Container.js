/* Arranges its children in a line. */
define(["dojo/_base/declare", "./_Templated"], function (declare, _Templated) {
    return declare("aps.Container", _Templated, {});
});
