import { createStore } from './store.ts'

export type Theme = 'system' | 'light' | 'dark'
export type Language = 'en' | 'th'

const fromAddress = new URLSearchParams(location.search)

function remembered(name: string): string | null {
  try {
    return fromAddress.get(name) ?? localStorage.getItem(`khlong.${name}`)
  } catch {
    return null
  }
}

/** Keeps a choice for the next visit; a browser that forbids it still works. */
export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`khlong.${name}`)
    else localStorage.setItem(`khlong.${name}`, value)
  } catch {
    // Private windows may refuse storage; the choice then lasts as long as the page.
  }
}

export { remembered }

const theme = remembered('theme')
export const themeStore = createStore<Theme>(
  theme === 'light' || theme === 'dark' ? theme : 'system',
)

const language = remembered('lang') ?? navigator.language.slice(0, 2)
export const languageStore = createStore<Language>(language === 'th' ? 'th' : 'en')

/** Years of the Thai calendar only where they were chosen: data and axes have Gregorian ones. */
export const buddhistStore = createStore(remembered('years') === 'buddhist')

const applyTheme = (): void => {
  const chosen = themeStore.get()
  if (chosen === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
}
const applyLanguage = (): void => {
  document.documentElement.lang = languageStore.get()
}

applyTheme()
applyLanguage()
themeStore.subscribe(applyTheme)
languageStore.subscribe(applyLanguage)

export function chooseTheme(next: Theme): void {
  remember('theme', next === 'system' ? null : next)
  themeStore.set(next)
}

export function chooseLanguage(next: Language): void {
  remember('lang', next)
  languageStore.set(next)
}

export function chooseYears(buddhist: boolean): void {
  remember('years', buddhist ? 'buddhist' : null)
  buddhistStore.set(buddhist)
}

const darkQuery = matchMedia('(prefers-color-scheme: dark)')

/** Whether the page is dark now. */
export function isDark(): boolean {
  const chosen = themeStore.get()
  return chosen === 'dark' || (chosen === 'system' && darkQuery.matches)
}

/** Called when colours change, by choice or by the system. */
export function onColors(listener: () => void): () => void {
  const end = themeStore.subscribe(listener)
  darkQuery.addEventListener('change', listener)
  return () => {
    end()
    darkQuery.removeEventListener('change', listener)
  }
}
