// Asks before something ends.

import { byId } from "./dom.js";

// confirmed asks, and returns a promise of whether to go on. The dialog takes the focus,
// on Cancel, and gives it back.
export function confirmed(title, text, action) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = action;
  dialog.returnValue = "no"; // Escape leaves it
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
}
