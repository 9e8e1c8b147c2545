<?php

// A page that does with $_SESSION what the form field steps says, a list in JSON, and
// answers what came of each step; or 503, or 520 and what was thrown.

declare(strict_types=1);

use RestSessions\{SessionHandler, Sessions};

require getcwd() . '/Sessions.php';
require getcwd() . '/SessionHandler.php';

set_exception_handler(function (Throwable $e): void {
    fwrite(fopen('php://stderr', 'w'), "$e\n");
    http_response_code(SessionHandler::isUnavailable($e) ? 503 : 520);
    header('X-Error: ' . strtok($e->getMessage(), "\n"));
});
set_error_handler(fn (int $level, string $message) => throw new ErrorException($message));
ob_start();

$handler = SessionHandler::register(new Sessions('shop', getenv('SESSIONS_URL'), getenv('SESSIONS_KEY')));
$steps = [
    'start' => fn () => session_start(),
    'all' => fn () => $_SESSION,
    'set' => function (string $key, mixed $value) { $_SESSION[$key] = $value; },
    'unset' => function (string $key) { unset($_SESSION[$key]); },
    'object' => function (string $key) { $_SESSION[$key] = ['when' => new DateTime()]; },
    'number' => function (string $key) { $_SESSION[$key] = NAN; },
    'bytes' => function (string $key) { $_SESSION[$key] = "\xff"; },
    'regenerate' => fn (bool $delete) => session_regenerate_id($delete),
    'destroy' => fn () => session_destroy(),
    'close' => fn () => session_write_close(),
    'abort' => fn () => session_abort(),
    'reset' => fn () => session_reset(),
    'gc' => fn () => session_gc(),
    'id' => fn () => session_id(),
    'createid' => fn () => session_create_id(),
    'ini' => fn (string $name, string $value) => ini_set($name, $value),
    'login' => fn (string $user) => $handler->login($user),
    'user' => fn () => $handler->user(),
    'handle' => fn () => $handler->handle(),
    'isnew' => fn () => $handler->isNew(),
    // Says that it is there, and waits until it may go on.
    'wait' => function (string $file): void {
        touch("$file.waits");
        for ($end = microtime(true) + 10; !file_exists($file); usleep(2000)) {
            clearstatcache();
            microtime(true) < $end || throw new Exception("nobody makes $file");
        }
    },
];
$answers = [];
foreach (json_decode($_POST['steps'], true) as [$name, $arguments]) {
    $answers[] = $steps[$name](...$arguments);
}
echo json_encode($answers);
