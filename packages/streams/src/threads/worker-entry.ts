import { loadZodLanguagesLate } from '@khlong/core/zod-languages'

// Where the thread of worker-thread.ts begins.

loadZodLanguagesLate()
await import('./stream-worker.ts')
