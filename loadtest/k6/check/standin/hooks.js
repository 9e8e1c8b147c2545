// Resolves k6's own modules to the stand-ins beside this file, and gives each
// virtual user its modules: a query on a script's URL goes on to what it imports.
const standins = new Map(['k6', 'k6/http', 'k6/metrics', 'k6/execution'].map((name) =>
  [name, new URL(`./${name.replace('k6/', '')}.js`, import.meta.url).href]));

export async function resolve(specifier, context, next) {
  if (standins.has(specifier)) return { url: standins.get(specifier), shortCircuit: true };
  const resolved = await next(specifier, context);
  const query = context.parentURL ? new URL(context.parentURL).search : '';
  if (query && specifier.startsWith('./')) resolved.url += query;
  return resolved;
}
