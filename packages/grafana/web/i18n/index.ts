import type { DurationUnits } from '../lib/format.ts'
import { languageStore } from '../lib/preferences.ts'
import { useStore } from '../lib/store.ts'
import { en, type TextKey, type Texts } from './en.ts'

export type { TextKey }

// English is what every reader gets first; another language comes as a file of its own.
let texts: Texts = en

/** Loads the catalogue of the chosen language; called before the first drawing and on a change. */
export async function loadTexts(): Promise<void> {
  texts = languageStore.get() === 'th' ? (await import('./th.ts')).th : en
}

/** A text of the catalogue with its places filled in. */
export function text(key: TextKey, values: Readonly<Record<string, string | number>> = {}): string {
  let result = texts[key]
  for (const name in values) result = result.replaceAll(`{${name}}`, String(values[name]))
  return result
}

/** Follows the language and gives the way to look texts up. */
export function useText(): typeof text {
  useStore(languageStore)
  return text
}

/** A text whose key is put together, such as the name of a fact; otherwise the name itself. */
export function textOr(key: string, otherwise: string): string {
  return key in texts ? texts[key as TextKey] : otherwise
}

export function durationUnits(): DurationUnits {
  return {
    ms: text('unitMs'),
    s: text('unitS'),
    min: text('unitMin'),
    h: text('unitH'),
    d: text('unitD'),
  }
}
