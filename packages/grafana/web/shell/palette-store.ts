import { createStore } from '../lib/store.ts'

/** Which dialog of the keyboard is open. */
export const paletteStore = createStore<'closed' | 'open' | 'keys' | 'send' | 'password'>('closed')
