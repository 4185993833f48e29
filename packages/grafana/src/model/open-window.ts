import type { PlatformSnapshot } from './platform.ts'

/** The window that the streams fill now. Its start is known only where its size is. */
export interface OpenWindow {
  readonly endMs: number
  readonly sizeMs: number | undefined
}

/**
 * The open window: by the platform's word on windows, else by the end that the streams themselves
 * tell. Undefined where no application has windows.
 */
export function openWindowOf(
  snapshot: PlatformSnapshot | undefined,
  nowMs: number,
): OpenWindow | undefined {
  const sizeMs = snapshot?.window?.sizeMs
  if (sizeMs) return { endMs: (Math.floor(nowMs / sizeMs) + 1) * sizeMs, sizeMs }
  const streams = snapshot?.parts.find((part) => part.name === 'streams')
  const endMs = streams?.vitals?.facts.windowEndMs
  return typeof endMs === 'number' && endMs > 0 ? { endMs, sizeMs: undefined } : undefined
}

/** Facts that a reader sees as they are: moments in time and rates are shown otherwise. */
export function shownFacts(
  facts: Readonly<Record<string, number | string>>,
): [string, number | string][] {
  return Object.entries(facts).filter(
    ([name]) => !name.endsWith('Ms') && !name.endsWith('PerSecond') && name !== 'perSecond',
  )
}
