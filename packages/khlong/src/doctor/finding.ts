/** Something that the doctor has to say. */
export interface Finding {
  /** `wrong` needs somebody to act, `note` is good to know. */
  readonly level: 'wrong' | 'note'
  /** What is so, in one line. */
  readonly what: string
  /** What to do about it: a sentence, or a command to copy. */
  readonly remedy?: string
}
