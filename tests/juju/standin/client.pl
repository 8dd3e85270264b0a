#!/usr/bin/perl
# The program under the name of every hook tool and every recorder: it hands its call to the model and prints the answer.
#
# It is started some fifty times a hook. Perl, which is on every Debian and Ubuntu, starts in a fifth of the time that Python
# takes, so this is no Python, and it loads no module. The call goes as fields with a NUL byte between them: name, context,
# folder, arguments; then the standard input, both lengths before them.

my ($own) = $0 =~ m{([^/]*)$};
my $name = $ENV{STANDIN_NAME} || $own;
my $path = $ENV{STANDIN_SOCKET} || '/run/standin/agent.sock';

# Only a tool that is told to reads: a hook's own standard input may never end.
my $input = '';
if (grep { $ARGV[$_] eq '--file=-' || ($_ && $ARGV[$_ - 1] eq '--file' && $ARGV[$_] eq '-') } 0 .. $#ARGV) {
    local $/;
    $input = <STDIN> // '';
}

# AF_UNIX and SOCK_STREAM, as Linux numbers them.
socket(my $agent, 1, 1, 0) or fail("no socket: $!");
connect($agent, pack('S a108', 1, $path)) or fail("no agent at $path: $!");
my $head = join("\0", $name, $ENV{JUJU_CONTEXT_ID} // '', readlink('/proc/self/cwd'), @ARGV);
my $call = length($head) . ' ' . length($input) . "\n" . $head . $input;
while (length $call) {
    my $sent = syswrite($agent, $call) or fail("the agent takes no call: $!");
    substr($call, 0, $sent) = '';
}
my $answer = '';
1 while sysread($agent, $answer, 65536, length $answer);

my ($code, $length, $said) = $answer =~ /^(\d+) (\d+)\n(.*)/s or fail('the agent closed the connection');
print STDOUT substr($said, 0, $length);
print STDERR substr($said, $length);
exit $code;

sub fail {
    print STDERR "ERROR @_\n";
    exit 1;
}
