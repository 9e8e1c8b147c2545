// What the tab remembers, and nothing else does: the key and the app, until it is closed.

const prefix = "rest-sessions ";

export function stored(name) {
  try {
    return sessionStorage.getItem(prefix + name) ?? "";
  } catch {
    return ""; // a browser that is told to store nothing
  }
}

// store remembers a value; an empty one it forgets.
export function store(name, value) {
  try {
    if (value) sessionStorage.setItem(prefix + name, value);
    else sessionStorage.removeItem(prefix + name);
  } catch {
    // it is remembered until the page is left
  }
}
