import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Where Zod gathers the words of its errors in every language that it knows. */
const gathered = '/locales/index.js'

/**
 * Lets Zod load the words of a language when they are asked for: by itself it loads those of all 60 languages, 10 ms and
 * 6 MiB in each thread that starts, and Khlong's settings speak English. Called once in a thread, before anything imports Zod.
 */
export function loadZodLanguagesLate(): void {
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      const resolved = nextResolve(specifier, context)
      if (!specifier.endsWith(gathered) || !resolved.url.endsWith(`/zod/v4${gathered}`))
        return resolved
      return { url: lateModule(resolved.url), format: 'module', shortCircuit: true }
    },
  })
}

/** A module with the same exports, each of which loads its own language when it is called. */
function lateModule(url: string): string {
  const languages = readFileSync(fileURLToPath(url), 'utf8').matchAll(
    /^export \{ default as (\w+) \} from (".+");$/gm,
  )
  const source = [
    "import { createRequire } from 'node:module'",
    `const require = createRequire(${JSON.stringify(url)})`,
    ...languages.map(([, name, file]) => `export const ${name} = () => require(${file}).default()`),
  ]
  return `data:text/javascript,${encodeURIComponent(source.join('\n'))}`
}
