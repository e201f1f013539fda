/** The commands that fast-check strings together, and how often each comes. */
import fc, { type AsyncCommand } from 'fast-check'
import { type Asked, CORPORATIONS, type Model } from './model.ts'
import {
  askLinks,
  type Both,
  chosen,
  crash,
  createDocument,
  follow,
  issue,
  type Operation,
  operate,
  readDocument,
  refresh,
  removeDocument,
  updateDocument,
  upload,
  useToken,
} from './steps.ts'
import type { System } from './system.ts'

/** Where the clock is the machine's own, no link ends before the run. */
const LONG_SECONDS = 3600

export interface Counter {
  steps: number
  byName: Map<string, number>
}

type Make = (count: Counter) => fc.Arbitrary<AsyncCommand<Model, System>>

const corporation = fc.constantFrom(...CORPORATIONS)
const choice = fc.nat(10_000)
const name = fc.constantFrom('发票.pdf', 'a b+c%20.txt', 'é.txt', 'e\u0301.txt', '😀.bin', 'x'.repeat(255))
const size = fc.oneof(fc.nat(300), fc.constantFrom(0, 65_536, 65_537, 200_000))
const code = fc.option(fc.constantFrom('X1', 'X2', 'X3', 'X4', 'X5'), { nil: undefined })
const title = fc.string({ maxLength: 20, unit: 'grapheme' })
const expiration = fc.constantFrom(1, 2, 60, 3600, 86_400, 315_360_000)
const OPERATIONS: Operation[] = [
  'revoke a corporation',
  'revoke an attachment',
  'remove an attachment',
  'rotate the key',
]

/** Every kind as often as its number says. */
const KINDS: [number, Make][] = [
  [
    3,
    (count) =>
      corporation.map((who) => step(count, `a token for ${who}`, async (both) => void (await issue(both, who)))),
  ],
  [
    3,
    (count) =>
      fc
        .tuple(choice, fc.integer({ min: 1, max: 365 }))
        .map(([which, days]) => step(count, `refresh ${which} for ${days} days`, (both) => refresh(both, which, days))),
  ],
  [4, (count) => choice.map((which) => step(count, `use token ${which}`, (both) => useToken(both, which)))],
  [
    8,
    (count) =>
      fc
        .tuple(corporation, name, size, fc.nat(255))
        .map(([who, called, length, fill]) =>
          step(count, `upload ${called.slice(0, 9)} of ${length} bytes for ${who}`, (both) =>
            upload(both, who, { name: called, bytes: Buffer.alloc(length, fill) }),
          ),
        ),
  ],
  [
    10,
    (count) =>
      fc
        .tuple(corporation, fc.array(fc.tuple(choice, choice, fc.nat(9), expiration), { maxLength: 6 }))
        .map(([who, picks]) =>
          step(count, `links for ${who}: ${JSON.stringify(picks)}`, (both) =>
            askLinks(
              both,
              who,
              picks.map((pick) => askedOf(both.model, pick)),
            ),
          ),
        ),
  ],
  [
    20,
    (count) =>
      fc
        .tuple(choice, fc.nat(9), fc.option(fc.nat(70_000), { nil: undefined }))
        .map(([which, nine, first]) =>
          step(
            count,
            `follow ${which}${nine === 0 ? ', tampered' : ''}${first === undefined ? '' : ` from ${first}`}`,
            (both) => follow(both, which, { tampered: nine === 0, first }),
          ),
        ),
  ],
  [
    5,
    (count) =>
      fc.tuple(corporation, code, title, fc.array(choice, { maxLength: 3 })).map(([who, given, called, picks]) =>
        step(count, `document ${given} for ${who} with ${picks}`, (both) =>
          createDocument(both, who, {
            code: given,
            title: called,
            attachments: picks.flatMap((pick) => chosen(both.model.attachments, pick) ?? []),
          }),
        ),
      ),
  ],
  [
    3,
    (count) =>
      fc
        .tuple(choice, title)
        .map(([which, called]) =>
          step(count, `update document ${which}`, (both) => updateDocument(both, which, called)),
        ),
  ],
  [
    5,
    (count) =>
      fc
        .tuple(choice, fc.boolean(), fc.boolean())
        .map(([which, byCode, foreign]) =>
          step(count, `read document ${which}${byCode ? ' by code' : ''}${foreign ? ' of another' : ''}`, (both) =>
            readDocument(both, which, { byCode, foreign }),
          ),
        ),
  ],
  [1, (count) => choice.map((which) => step(count, `remove document ${which}`, (both) => removeDocument(both, which)))],
  [
    2,
    (count) =>
      fc
        .tuple(fc.constantFrom(...OPERATIONS), choice)
        .map(([operation, which]) => step(count, `${operation} (${which})`, (both) => operate(both, operation, which))),
  ],
  [
    4,
    (count) =>
      fc
        .constantFrom(1, 999, 1000, 1001, 60_000, 3_600_000, 7_200_000, 100_000_000)
        .map((milliseconds) => moved(count, milliseconds)),
  ],
  [
    1,
    (count) =>
      fc
        .constantFrom('restart', 'crash', 'crash amid an upload')
        .map((how) =>
          step(count, how, ({ model, real }) =>
            how === 'restart' ? real.restart() : crash({ model, real }, how !== 'crash'),
          ),
        ),
  ],
]

export function commands(
  count: Counter,
  { length }: { length: number },
): fc.Arbitrary<Iterable<AsyncCommand<Model, System>>> {
  const kinds = KINDS.flatMap(([weight, make]) => Array.from({ length: weight }, () => make(count)))
  return fc.commands(kinds, { maxCommands: length, size: 'max' })
}

function step(count: Counter, told: string, run: (both: Both) => Promise<void>): AsyncCommand<Model, System> {
  return {
    check: () => true,
    async run(model, real) {
      count.steps++
      const kind = told
        .replace(/^(document|upload) .*? (for|of) .*/, '$1')
        .replace(/\d+ ms later/, 'time')
        .replace(/[:(\d].*| for .*/, '')
        .trim()
      count.byName.set(kind, (count.byName.get(kind) ?? 0) + 1)
      await run({ model, real })
    },
    toString: () => told,
  }
}

/** Where the clock is the machine's own, this step does not come. */
function moved(count: Counter, milliseconds: number): AsyncCommand<Model, System> {
  const go = step(count, `${milliseconds} ms later`, async ({ model, real }) => {
    model.now += milliseconds
    real.setClock(model.now)
  })
  return { ...go, check: ({ movable }) => movable }
}

function askedOf(
  { attachments, movable }: Model,
  [id, key, kind, expiration]: readonly [number, number, number, number],
): Asked {
  const idOf = kind === 9 ? undefined : chosen(attachments, id)
  // Mostly a true pair.
  return {
    idOf,
    keyOf: kind === 8 ? chosen(attachments, key) : idOf,
    expiration: movable ? expiration : expiration + LONG_SECONDS,
  }
}
