/* Dojo's store in memory. */
define(["dojo/_base/declare", "dojo/store/Memory"], function (declare, Memory) {
    return declare("aps.Memory", Memory, {});
});
