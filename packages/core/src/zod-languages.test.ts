import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'
import test from 'node:test'
import { loadZodLanguagesLate } from './zod-languages.ts'

test('Zod speaks English without any other language, and each that is asked for', async () => {
  const loaded: string[] = []
  registerHooks({
    load: (url, context, nextLoad) => {
      const language = /\/zod\/v4\/locales\/(.+)\.js$/.exec(url)?.[1]
      if (language !== undefined) loaded.push(language)
      return nextLoad(url, context)
    },
  })
  loadZodLanguagesLate()
  const { z } = await import('zod')
  const message = (): string | undefined => z.number().safeParse('x').error?.issues[0]?.message
  assert.equal(message(), 'Invalid input: expected number, received string')
  assert.deepEqual(loaded, ['en'])
  z.config(z.locales.de())
  assert.equal(message(), 'Ungültige Eingabe: erwartet Zahl, erhalten string')
  assert.deepEqual(loaded, ['en', 'de'])
  z.config(z.locales.en())
  for (const [name, language] of Object.entries(z.locales))
    assert.equal(typeof language().localeError, 'function', name)
})
