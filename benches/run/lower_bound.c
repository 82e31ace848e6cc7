/* Runs a plan of SQL statements over N connections, parents before children: the least a tool
 * that sends the same statements can take.
 *
 *     cc -O2 -I"$(pg_config --includedir)" lower_bound.c -lpq -lpthread -o lower_bound
 *     lower_bound PLAN CONNECTIONS      (PGHOST and so on say where the server is)
 *
 * PLAN, written by plan.py: the number of nodes, then for each node a line with the number of its
 * parents, their indexes and the bytes of its statement, followed by the statement and a newline.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
    char *sql;
    int waiting;
    int *children;
    int child_count;
};

static struct node *nodes;
static int node_count, done_count, *ready, ready_head, ready_tail;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void read_plan(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%d", &node_count) != 1)
        fail("cannot read the plan");
    nodes = calloc(node_count, sizeof *nodes);
    ready = calloc(node_count, sizeof *ready);
    for (int at = 0; at < node_count; at++) {
        int parents, bytes;
        if (fscanf(file, "%d", &parents) != 1)
            fail("the plan is cut short");
        nodes[at].waiting = parents;
        while (parents--) {
            int parent;
            if (fscanf(file, "%d", &parent) != 1)
                fail("the plan is cut short");
            struct node *above = &nodes[parent];
            above->children = realloc(above->children, ++above->child_count * sizeof(int));
            above->children[above->child_count - 1] = at;
        }
        if (fscanf(file, "%d", &bytes) != 1 || fgetc(file) != '\n')
            fail("the plan is cut short");
        nodes[at].sql = calloc(bytes + 1, 1);
        if (fread(nodes[at].sql, 1, bytes, file) != (size_t)bytes)
            fail("the plan is cut short");
    }
    fclose(file);
    for (int at = 0; at < node_count; at++)
        if (nodes[at].waiting == 0)
            ready[ready_tail++] = at;
}

static void *work(void *unused)
{
    PGconn *connection = PQconnectdb("");
    if (PQstatus(connection) != CONNECTION_OK)
        fail(PQerrorMessage(connection));
    PQclear(PQexec(connection, "set client_min_messages = warning"));
    pthread_mutex_lock(&lock);
    while (done_count < node_count) {
        if (ready_head == ready_tail) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        int at = ready[ready_head++];
        pthread_mutex_unlock(&lock);
        PGresult *result = PQexec(connection, nodes[at].sql);
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            fprintf(stderr, "%s\n", nodes[at].sql);
            fail(PQerrorMessage(connection));
        }
        PQclear(result);
        pthread_mutex_lock(&lock);
        done_count++;
        for (int child = 0; child < nodes[at].child_count; child++)
            if (--nodes[nodes[at].children[child]].waiting == 0)
                ready[ready_tail++] = nodes[at].children[child];
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    PQfinish(connection);
    return unused;
}

int main(int count, char **arguments)
{
    if (count != 3)
        fail("lower_bound PLAN CONNECTIONS");
    read_plan(arguments[1]);
    int threads = atoi(arguments[2]);
    pthread_t workers[threads];
    for (int at = 0; at < threads; at++)
        pthread_create(&workers[at], NULL, work, NULL);
    for (int at = 0; at < threads; at++)
        pthread_join(workers[at], NULL);
    return 0;
}
