import { idOf, streamPrefix } from '../../src/cqrs/aggregate.ts'
import type { RecordedEvent } from '../../src/cqrs/event.ts'
import type { Projection } from '../../src/read-model/projection.ts'
import { todo } from '../../src/todos/todo.ts'

/** What there is to do: the list, newest first, and the number of to-dos. Each is shown as its events fold. */
export const todosProjection: Projection = {
  name: 'todos',
  version: 1,
  streamPrefixes: [streamPrefix(todo)],
  prepare({ $client }) {
    // Not drizzle's statements: they take twice as long, and a rebuild runs these for every event.
    const insert = $client.prepare<[number, string, string, number]>(
      `INSERT INTO todos (position, id, description, completed, version) VALUES (?, ?, ?, 0, ?)
       ON CONFLICT (id) DO NOTHING`,
    )
    const count = $client.prepare<[]>('UPDATE todo_count SET total = total + 1 WHERE id = 1')
    const update = (column: 'description' | 'reminder' | 'completed') =>
      $client.prepare<[string | number | null, number, string]>(
        `UPDATE todos SET ${column} = ?, version = ? WHERE id = ?`,
      )
    const setDescription = update('description')
    const setReminder = update('reminder')
    const setCompleted = update('completed')
    const setVersion = $client.prepare<[number, string]>('UPDATE todos SET version = ? WHERE id = ?')

    function show(recorded: RecordedEvent): void {
      const event = todo.codec.decode(recorded)
      const { position, number, stream } = recorded
      const id = idOf(todo, stream)
      switch (event.type) {
        case 'todo_created':
          if (insert.run(position, id, event.data.description, number).changes === 1) count.run()
          else setVersion.run(number, id)
          break
        case 'todo_description_updated':
          setDescription.run(event.data.description, number, id)
          break
        case 'todo_reminder_updated':
          setReminder.run(event.data.reminder, number, id)
          break
        case 'todo_completed':
          setCompleted.run(1, number, id)
          break
        case 'todo_uncompleted':
          setCompleted.run(0, number, id)
          break
        default:
          event satisfies never
      }
    }
    return Object.fromEntries(Object.keys(todo.codec.schemas).map((type) => [type, show]))
  },
  rowFinder({ $client }) {
    const find = $client.prepare<[string], Record<string, unknown>>('SELECT * FROM todos WHERE id = ?')
    return ({ stream }) => {
      const columns = find.get(idOf(todo, stream))
      return columns && { table: 'todos', columns }
    }
  },
  check({ $client }) {
    const sql = 'SELECT total, (SELECT count(*) FROM todos) AS counted FROM todo_count'
    const { total, counted } = $client.prepare<[], { total: number; counted: number }>(sql).get() ?? {}
    if (total === undefined || total !== counted)
      throw new Error(`todo_count is ${total}, but todos has ${counted} rows`)
  },
}
